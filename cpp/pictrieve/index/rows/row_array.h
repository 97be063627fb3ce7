// Private: a growing array of equal rows, in memory or mapped from a file.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

namespace pictrieve {

/// Uninitialised bytes at a cache line's boundary, in large pages where they are many.
std::shared_ptr<void> row_memory(int64_t bytes);

template <typename T>
class RowArray {
 public:
  explicit RowArray(int64_t width) : width_(width) {}

  int64_t rows() const { return rows_; }
  int64_t width() const { return width_; }  ///< elements of a row
  int64_t bytes() const { return rows_ * width_ * static_cast<int64_t>(sizeof(T)); }
  const T* data() const { return data_.get(); }
  const T* row(int64_t i) const { return data() + i * width_; }
  T* mutable_row(int64_t i) { return data_.get() + i * width_; }  ///< not while the rows are borrowed
  std::span<const T> all() const { return {data(), static_cast<size_t>(rows_ * width_)}; }

  /// Room for `count` more rows at the end, uninitialised.
  T* extend(int64_t count) {
    reserve(rows_ + count);
    T* first = data_.get() + rows_ * width_;
    rows_ += count;
    return first;
  }

  void truncate(int64_t rows) { rows_ = std::min(rows, rows_); }

  /// Row i becomes the old row order[i].
  void keep(std::span<const int32_t> order) {
    RowArray kept(width_);
    T* to = kept.extend(static_cast<int64_t>(order.size()));
    for (const int32_t from : order) to = std::copy_n(row(from), width_, to);
    *this = std::move(kept);
  }

  /// Takes over rows that lie elsewhere, such as in a read-only file mapping: they are copied before any change.
  void borrow(std::shared_ptr<const T[]> rows, int64_t count) {
    data_ = std::const_pointer_cast<T[]>(std::move(rows));
    rows_ = count;
    capacity_ = 0;
  }

 private:
  void reserve(int64_t rows) {
    if (rows <= capacity_) return;
    const int64_t capacity = std::max(rows, rows_ + rows_ / 2);
    const std::shared_ptr<void> memory = row_memory(capacity * width_ * static_cast<int64_t>(sizeof(T)));
    std::shared_ptr<T[]> larger(memory, static_cast<T*>(memory.get()));
    std::copy_n(data_.get(), rows_ * width_, larger.get());
    data_ = std::move(larger);
    capacity_ = capacity;
  }

  int64_t width_;
  int64_t rows_ = 0;
  int64_t capacity_ = 0;  ///< 0 while the rows are borrowed
  std::shared_ptr<T[]> data_;
};

}  // namespace pictrieve
