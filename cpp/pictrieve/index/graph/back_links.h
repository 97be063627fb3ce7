// Private: links back to rows that chose their neighbours.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "pictrieve/base/pool.h"
#include "pictrieve/index/graph/hnsw_journal.h"
#include "pictrieve/index/graph/hnsw_links.h"
#include "pictrieve/index/graph/neighbour_chooser.h"

namespace pictrieve {

/// Collects links by the list they belong to, so that each list is chosen anew once and the outcome depends on neither
/// threads nor timing.
class BackLinks {
 public:
  BackLinks(HnswLinks& links, const Rows& source) : links_(links), source_(source) {}

  /// Links back to `from` from all its neighbours of a level that lack one.
  void collect(int32_t from, int level);
  /// Decides what the lists become; changes nothing.
  void choose();
  /// Changes the lists and forgets the links. The journal, if any, is told before.
  void apply(HnswJournal* journal);

 private:
  struct Link {
    int32_t to;  ///< whose list it joins
    int32_t level;
    int32_t from;
  };
  struct NewList {
    int32_t row;
    int32_t level;
    size_t first;  ///< of its links
    size_t last;
    size_t known_diverse;
  };
  struct Chooser {
    std::unique_ptr<NeighbourChooser> chooser;
    std::vector<int32_t> rows;
  };

  void extend(NewList& list, std::span<int32_t> out, Chooser& chooser) const;

  HnswLinks& links_;
  const Rows& source_;
  std::vector<Link> collected_;
  std::vector<NewList> lists_;
  std::vector<int32_t> chosen_;  ///< 2M for each of lists_
  Pool<Chooser> choosers_;
};

}  // namespace pictrieve
