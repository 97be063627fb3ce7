// Borrowed and owned matrices: the only way rows of numbers travel between layers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>

namespace pictrieve {

/// Borrowed row-major `rows x cols` numbers without gaps between rows; the owner must outlive the view.
/// `MatrixView<const T>` reads, `MatrixView<T>` also writes.
template <typename T>
struct MatrixView {
  T* data = nullptr;
  int64_t rows = 0;
  int64_t cols = 0;

  T* row(int64_t i) const { return data + i * cols; }
  std::span<T> row_span(int64_t i) const { return {row(i), static_cast<size_t>(cols)}; }
  int64_t size() const { return rows * cols; }
  MatrixView slice(int64_t begin, int64_t end) const { return {row(begin), end - begin, cols}; }
  operator MatrixView<const T>() const { return {data, rows, cols}; }
};

/// `count` uninitialised numbers at a 64-byte boundary, shared by everyone who holds the pointer.
template <typename T>
std::shared_ptr<T[]> aligned_array(int64_t count) {
  constexpr std::align_val_t kAlignment{64};
  auto* data = static_cast<T*>(::operator new(sizeof(T) * static_cast<size_t>(count > 0 ? count : 1), kAlignment));
  return std::shared_ptr<T[]>(data, [](T* p) { ::operator delete(p, kAlignment); });
}

/// Owned row-major matrix, 64-byte aligned. Copies share storage, so that rows can move into
/// another owner (a NumPy array, say) without being copied.
template <typename T>
class Matrix {
 public:
  Matrix() = default;
  Matrix(int64_t rows, int64_t cols) : storage_(aligned_array<T>(rows * cols)), rows_(rows), cols_(cols) {}

  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  T* data() const { return storage_.get(); }
  T* row(int64_t i) const { return data() + i * cols_; }
  MatrixView<T> view() const { return {data(), rows_, cols_}; }
  operator MatrixView<T>() const { return view(); }
  operator MatrixView<const T>() const { return view(); }
  std::shared_ptr<void> storage() const { return {storage_, storage_.get()}; }

 private:
  std::shared_ptr<T[]> storage_;
  int64_t rows_ = 0;
  int64_t cols_ = 0;
};

}  // namespace pictrieve
