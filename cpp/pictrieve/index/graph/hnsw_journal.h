// Private: what undoes the last addition to a graph.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "pictrieve/index/graph/hnsw_links.h"

namespace pictrieve {

/// Keeps the lists of older rows as they were before they were changed.
class HnswJournal {
 public:
  /// Forgets what was; from now on links.rows() rows are the older ones.
  void start(const HnswLinks& links) {
    rows_ = links.rows();
    entry_ = links.entry();
    max_level_ = links.max_level();
    noted_.assign(static_cast<size_t>(rows_), 0);
    changed_ = {};
    lists_ = {};
  }

  int64_t rows() const { return rows_; }

  /// To be called before a list of the row is changed.
  void note(const HnswLinks& links, int32_t row) {
    if (row >= rows_ || noted_[static_cast<size_t>(row)]) return;
    const size_t before = lists_.size();
    try {
      for (int level = 0; level <= links.level(row); ++level) {
        const auto list = links.of(row, level);
        lists_.insert(lists_.end(), list.begin(), list.end());
      }
      changed_.push_back(row);
    } catch (...) {
      lists_.resize(before);
      throw;
    }
    noted_[static_cast<size_t>(row)] = 1;
  }

  void undo(HnswLinks& links) const {
    const int32_t* next = lists_.data();
    for (const int32_t row : changed_) {
      for (int level = 0; level <= links.level(row); ++level) {
        const auto list = links.of(row, level);
        std::copy_n(next, list.size(), list.begin());
        next += list.size();
      }
      links.set_known_diverse(row, 0);
    }
    links.truncate(rows_);
    links.set_entry(entry_, max_level_);
  }

 private:
  int64_t rows_ = 0;
  int32_t entry_ = -1;
  int max_level_ = -1;
  std::vector<uint8_t> noted_;    ///< a flag an older row
  std::vector<int32_t> changed_;  ///< older rows, in the order of their lists
  std::vector<int32_t> lists_;
};

}  // namespace pictrieve
