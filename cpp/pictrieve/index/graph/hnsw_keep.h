// Private: dropping rows from a graph.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "pictrieve/base/pool.h"
#include "pictrieve/index/graph/hnsw_links.h"
#include "pictrieve/index/graph/hnsw_walk.h"
#include "pictrieve/index/graph/neighbour_chooser.h"

namespace pictrieve {

/// Rows that linked to dropped ones choose anew among what they and the dropped ones linked to, as in FreshDiskANN
/// (Singh et al., arXiv 2105.09613). Works on a copy: the graph stays as it was until all is done.
class HnswKeep {
 public:
  HnswKeep(const HnswLinks& links, const Rows& source, std::span<const int32_t> order);

  /// The graph of the kept rows under their new numbers.
  HnswLinks run(const Monitor& monitor);

 private:
  /// What a thread needs.
  struct Linker {
    explicit Linker(const Rows& source) : chooser(source) {}
    NeighbourChooser chooser;
    VisitedTags tags;
    std::vector<int32_t> found;
    std::vector<int32_t> dropped;
    std::vector<int32_t> next;
  };
  struct LazyLinker {
    std::unique_ptr<Linker> linker;
  };

  bool is_kept(int32_t row) const { return kept_[static_cast<size_t>(row)] != 0; }
  void choose_entry();
  void relink(int32_t row, int level, Linker& linker);
  void look_around(int32_t row, int level, Linker& linker) const;

  const Rows& source_;
  std::span<const int32_t> order_;
  HnswLinks links_;
  std::vector<uint8_t> kept_;
  Pool<LazyLinker> linkers_;
};

}  // namespace pictrieve
