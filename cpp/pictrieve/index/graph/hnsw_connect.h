// Private: paths to every row.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "pictrieve/index/graph/hnsw_journal.h"
#include "pictrieve/index/graph/hnsw_links.h"
#include "pictrieve/index/graph/hnsw_walk.h"

namespace pictrieve {

/// Choosing diverse neighbours can leave a row that no path leads to, above all among many equal ones. This finds such
/// rows and leads to them.
class HnswConnect {
 public:
  /// `rows` are all that the links lead to.
  HnswConnect(HnswLinks& links, const Rows& source, std::span<const int32_t> rows)
      : links_(links), source_(source), rows_(rows) {}

  /// True when a path leads from the entry to each row at each of its levels.
  bool is_complete();
  /// Adds what is missing. The journal, if any, is told before.
  void complete(HnswJournal* journal);

 private:
  void start(int level);
  void spread(int32_t from, int level);
  bool is_cut_off(int32_t row, int level) const {
    return links_.level(row) >= level && !reached_[static_cast<size_t>(row)];
  }
  void lead_to(int32_t row, int level, Comparer& comparer, HnswJournal* journal);

  HnswLinks& links_;
  const Rows& source_;
  std::span<const int32_t> rows_;
  std::vector<uint8_t> reached_;
  std::vector<int32_t> waiting_;
  WalkSpace space_;
};

}  // namespace pictrieve
