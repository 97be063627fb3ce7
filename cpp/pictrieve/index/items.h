// Private: the ids of an index's rows and which of them are deleted. Not thread-safe: the index locks.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "pictrieve/index/id_map.h"

namespace pictrieve {

/// A deleted row keeps its number until keep() drops it, because structures name rows by number.
class Items {
 public:
  int64_t rows() const { return static_cast<int64_t>(ids_.size()); }  ///< with deleted ones
  int64_t live() const { return row_of_.size(); }
  int64_t removed() const { return rows() - live(); }
  bool is_live(int64_t row) const { return live_[static_cast<size_t>(row)] != 0; }
  int64_t id(int64_t row) const { return ids_[static_cast<size_t>(row)]; }
  int32_t find(int64_t id) const { return row_of_.find(id); }

  const std::vector<uint8_t>& live_flags() const { return live_; }
  std::span<const int64_t> row_ids() const { return ids_; }
  std::span<const int64_t> sequence() const { return sequence_; }

  /// The id after the largest so far, deleted ones included; INT64_MAX where that is the largest.
  int64_t next_id() const { return next_id_; }

  /// Live rows in the order of their addition.
  std::vector<int32_t> by_addition() const;

  /// New rows at the end, not live until commit(). Row first + i holds ids[order[i]]; an empty order keeps theirs.
  void append(std::span<const int64_t> ids, std::span<const int32_t> order);
  /// Makes the rows from `first` on live, each in place of the one that had its id. Does not throw.
  void commit(int64_t first);
  /// Takes uncommitted rows away again.
  void truncate(int64_t rows);

  bool remove(int64_t id);
  /// Row i becomes the old row order[i].
  void keep(std::span<const int32_t> order);

  /// Takes over what a file held. Throws FormatError where a live id occurs twice.
  void restore(std::vector<int64_t> ids, std::vector<uint8_t> live, std::vector<int64_t> sequence, int64_t next_id);

 private:
  void count_id(int64_t id);
  void close_gaps();

  std::vector<int64_t> ids_;
  std::vector<uint8_t> live_;
  std::vector<int64_t> sequence_;  ///< when each row was added; empty while rows lie in that order
  IdMap row_of_;
  int64_t next_id_ = 0;
  int64_t next_place_ = 0;
};

}  // namespace pictrieve
