// The rows of an index, their ids and which of them are deleted. Not thread-safe: the index locks.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "pictrieve/base/matrix.h"
#include "pictrieve/index/id_map.h"
#include "pictrieve/index/scorer.h"

namespace pictrieve {

/// Rows are kept as they were added (so reconstruct is exact) with their squared and inverse lengths beside them.
/// A deleted row stays in place until compact(), because a graph's links name rows by number.
class VectorStore {
 public:
  VectorStore(int64_t dim, Metric metric) : dim_(dim), metric_(metric) {}

  int64_t dim() const { return dim_; }
  Metric metric() const { return metric_; }
  int64_t rows() const { return static_cast<int64_t>(ids_.size()); }  ///< with deleted ones
  int64_t live() const { return row_of_.size(); }
  int64_t removed() const { return rows() - live(); }
  bool is_live(int64_t row) const { return live_[static_cast<size_t>(row)] != 0; }
  const std::vector<uint8_t>& live_flags() const { return live_; }
  std::span<const int64_t> row_ids() const { return ids_; }
  std::span<const float> squared() const { return squared_; }
  const float* vectors() const { return vectors_.get(); }
  float longest() const { return longest_; }  ///< length of the longest row there has been

  int32_t find(int64_t id) const { return row_of_.find(id); }
  Scorer scorer() const { return {metric_, dim_, vectors_.get(), squared_.data(), inverse_.data()}; }

  /// The id after the largest so far, deleted ones included; INT64_MAX where that is the largest.
  int64_t next_id() const { return next_id_; }

  /// Puts rows at the end; they count as deleted until commit(). Throws naming the row with NaN, infinity or a length
  /// whose square is past float32. After any throw, truncate() to the rows before.
  void append(MatrixView<const float> rows, std::span<const int64_t> ids);

  /// Makes the rows from `first` on live, each in place of the one that had its id. Does not throw.
  void commit(int64_t first);

  /// Takes uncommitted rows away again.
  void truncate(int64_t rows);

  bool remove(int64_t id);

  /// Drops deleted rows and numbers the others anew, in the same order.
  void compact();

  /// Takes over what a file held; all rows of `live` non-zero are live. Throws FormatError on a duplicate id.
  void restore(std::shared_ptr<float[]> vectors, std::vector<float> squared, std::vector<int64_t> ids,
               std::vector<uint8_t> live, int64_t next_id);

 private:
  void reserve(int64_t rows);

  int64_t dim_;
  Metric metric_;
  std::shared_ptr<float[]> vectors_;  ///< possibly a read-only file mapping: capacity_ is then 0
  int64_t capacity_ = 0;
  std::vector<float> squared_;
  std::vector<float> inverse_;
  std::vector<int64_t> ids_;
  std::vector<uint8_t> live_;
  IdMap row_of_;
  int64_t next_id_ = 0;
  float longest_ = 0;
};

/// Uninitialised memory for rows, in large pages where it is much.
std::shared_ptr<float[]> row_memory(int64_t count);

/// Throws naming the first row of `rows` with NaN, infinity or a too large length; gives all squared lengths.
std::vector<float> checked_squared_lengths(MatrixView<const float> rows, const char* name);

}  // namespace pictrieve
