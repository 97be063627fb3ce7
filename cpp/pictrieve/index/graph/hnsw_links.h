// Private: the link lists of a navigable small-world graph.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "pictrieve/index/rows/row_array.h"

namespace pictrieve {

/// Rows have up to 2M links at level 0 and M at each level above; unused ends of a list hold -1.
class HnswLinks {
 public:
  HnswLinks(int m, uint64_t seed);
  HnswLinks(HnswLinks&&) = default;
  HnswLinks& operator=(HnswLinks&&) = default;

  int64_t rows() const { return static_cast<int64_t>(levels_.size()); }
  int32_t entry() const { return entry_; }
  int max_level() const { return max_level_; }
  int level(int64_t row) const { return levels_[static_cast<size_t>(row)] - 1; }
  int max_links(int level) const { return level == 0 ? 2 * m_ : m_; }

  std::span<const int32_t> of(int64_t row, int level) const {
    const int32_t* list = level == 0 ? base_.row(row) : upper_.data() + upper_place(row, level);
    return {list, static_cast<size_t>(max_links(level))};
  }
  std::span<int32_t> of(int64_t row, int level) {
    const auto list = std::as_const(*this).of(row, level);
    return {const_cast<int32_t*>(list.data()), list.size()};  // the lists are ours
  }

  /// How many links at the front of a list of level 0 are known to be diverse among each other. Only spares work.
  size_t known_diverse(int64_t row) const { return known_diverse_[static_cast<size_t>(row)]; }
  void set_known_diverse(int64_t row, size_t count) {
    known_diverse_[static_cast<size_t>(row)] = static_cast<uint16_t>(count);
  }

  /// After a change of keys, what was diverse need not be.
  void forget_diverse() { std::fill(known_diverse_.begin(), known_diverse_.end(), uint16_t{0}); }

  /// How many rows there were when last every row could be reached.
  int64_t rows_connected() const { return rows_connected_; }
  void set_rows_connected(int64_t rows) { rows_connected_ = rows; }

  void set_entry(int32_t row, int level) {
    entry_ = row;
    max_level_ = level;
  }

  /// Makes room for rows up to `rows` at random levels, which depend on the seed and the row's number only.
  void grow(int64_t rows);
  /// Back to the first `rows`, also after a grow() that ran out of memory half-way.
  void truncate(int64_t rows);
  HnswLinks clone() const;
  /// A graph of the rows of `order` only, numbered as they stand there. No link of theirs leads to another row, and
  /// they include the entry.
  HnswLinks renumbered(std::span<const int32_t> order) const;

  /// For the index file: the lists of each row from level 0 up, row after row.
  std::span<const int32_t> levels() const { return levels_; }
  std::vector<int32_t> all_links() const;
  int64_t bytes() const;

  /// Takes over arrays from a file. Throws FormatError unless every link can be followed safely.
  void restore(std::span<const int32_t> levels, std::span<const int32_t> links, int32_t entry, int max_level);

 private:
  size_t upper_place(int64_t row, int level) const {
    return upper_begin_[static_cast<size_t>(row)] + static_cast<size_t>((level - 1) * m_);
  }
  int random_level(int64_t row) const;
  void append(std::span<const int32_t> levels);

  int m_;
  uint64_t seed_;
  std::vector<double> probabilities_;  ///< of each level
  int32_t entry_ = -1;
  int max_level_ = -1;
  std::vector<int32_t> levels_;  ///< 1 for rows of level 0 only, as in the file
  RowArray<int32_t> base_;
  std::vector<size_t> upper_begin_{0};
  std::vector<int32_t> upper_;
  std::vector<uint16_t> known_diverse_;
  int64_t rows_connected_ = 0;
};

}  // namespace pictrieve
