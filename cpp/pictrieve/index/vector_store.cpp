#include "pictrieve/index/vector_store.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>

#include "pictrieve/base/error.h"
#include "pictrieve/base/parallel.h"

namespace pictrieve {
namespace {

constexpr std::align_val_t kHugePage{2 << 20};

}  // namespace

// A graph walk touches rows at random, and large pages spare it most of the address translation.
std::shared_ptr<float[]> row_memory(int64_t count) {
  const size_t bytes = sizeof(float) * static_cast<size_t>(count);
  if (bytes < static_cast<size_t>(kHugePage)) return aligned_array<float>(count);
  void* memory = ::operator new(bytes, kHugePage);
  madvise(memory, bytes, MADV_HUGEPAGE);  // a hint: without it the pages are small
  return {static_cast<float*>(memory), [](float* p) { ::operator delete(p, kHugePage); }};
}

std::vector<float> checked_squared_lengths(MatrixView<const float> rows, const char* name) {
  std::vector<float> squared(static_cast<size_t>(rows.rows));
  std::atomic<int64_t> bad{rows.rows};
  parallel_for(rows.rows, 1024, [&](int64_t begin, int64_t end, Worker) {
    for (int64_t i = begin; i < end; ++i) {
      const float length = squared[static_cast<size_t>(i)] = dot(rows.row(i), rows.row(i), rows.cols);
      if (length <= kMaxSquaredLength) continue;  // false for NaN
      int64_t first = bad;
      while (i < first && !bad.compare_exchange_weak(first, i)) {
      }
    }
  });
  if (bad < rows.rows) {
    require(all_finite(rows.row(bad), rows.cols), name, ": expected finite numbers, got NaN or infinity in row ",
            bad.load(), "; find such rows with ~np.isfinite(x).all(axis=1)");
    require(false, name, ": the squared length of row ", bad.load(), " is past float32; scale the vectors down");
  }
  return squared;
}

void VectorStore::append(MatrixView<const float> rows, std::span<const int64_t> ids) {
  const std::vector<float> squared = checked_squared_lengths(rows, "add");
  reserve(this->rows() + rows.rows);
  std::copy_n(rows.data, rows.size(), vectors_.get() + this->rows() * dim_);
  for (const float length : squared) {
    squared_.push_back(length);
    inverse_.push_back(inverse_length(length));
    longest_ = std::max(longest_, std::sqrt(length));
  }
  ids_.insert(ids_.end(), ids.begin(), ids.end());
  live_.resize(ids_.size(), 0);
  row_of_.reserve(this->rows());
}

void VectorStore::commit(int64_t first) {
  for (size_t row = static_cast<size_t>(first); row < ids_.size(); ++row) {
    const int32_t before = row_of_.exchange(ids_[row], static_cast<int32_t>(row));
    if (before != IdMap::kAbsent) live_[static_cast<size_t>(before)] = 0;
    live_[row] = 1;
    next_id_ = std::max(next_id_, ids_[row] == INT64_MAX ? ids_[row] : ids_[row] + 1);
  }
}

void VectorStore::truncate(int64_t rows) {
  const size_t count = static_cast<size_t>(rows);
  squared_.resize(count);
  inverse_.resize(count);
  ids_.resize(count);
  live_.resize(count);
}

bool VectorStore::remove(int64_t id) {
  const int32_t row = row_of_.find(id);
  if (row == IdMap::kAbsent) return false;
  row_of_.erase(id);
  live_[static_cast<size_t>(row)] = 0;
  return true;
}

void VectorStore::compact() {
  if (capacity_ == 0) reserve(rows());  // a mapped file is not ours to write
  int64_t kept = 0;
  for (int64_t row = 0; row < rows(); ++row) {
    if (!is_live(row)) continue;
    const size_t from = static_cast<size_t>(row), to = static_cast<size_t>(kept);
    if (from != to) std::copy_n(vectors_.get() + row * dim_, dim_, vectors_.get() + kept * dim_);
    squared_[to] = squared_[from];
    inverse_[to] = inverse_[from];
    ids_[to] = ids_[from];
    row_of_.exchange(ids_[to], static_cast<int32_t>(kept));
    ++kept;
  }
  truncate(kept);
  std::fill(live_.begin(), live_.end(), uint8_t{1});
}

void VectorStore::restore(std::shared_ptr<float[]> vectors, std::vector<float> squared, std::vector<int64_t> ids,
                          std::vector<uint8_t> live, int64_t next_id) {
  vectors_ = std::move(vectors);
  capacity_ = 0;
  squared_ = std::move(squared);
  ids_ = std::move(ids);
  live_ = std::move(live);
  next_id_ = next_id;
  inverse_.resize(squared_.size());
  row_of_.reserve(rows());
  for (size_t row = 0; row < ids_.size(); ++row) {
    inverse_[row] = inverse_length(squared_[row]);
    longest_ = std::max(longest_, std::sqrt(squared_[row]));
    next_id_ = std::max(next_id_, ids_[row] == INT64_MAX ? ids_[row] : ids_[row] + 1);
    if (!live_[row]) continue;
    const int32_t before = row_of_.exchange(ids_[row], static_cast<int32_t>(row));
    require<FormatError>(before == IdMap::kAbsent, "index file: id ", ids_[row], " occurs twice");
  }
}

void VectorStore::reserve(int64_t rows) {
  if (rows <= capacity_) return;
  const int64_t capacity = std::max(rows, this->rows() + this->rows() / 2);
  std::shared_ptr<float[]> larger = row_memory(capacity * dim_);
  if (this->rows() > 0) std::copy_n(vectors_.get(), this->rows() * dim_, larger.get());
  vectors_ = std::move(larger);
  capacity_ = capacity;
}

}  // namespace pictrieve
