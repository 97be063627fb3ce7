// Private: adding rows to a graph, batch after batch, so that neither the number of threads nor their timing matters.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "pictrieve/base/pool.h"
#include "pictrieve/index/graph/back_links.h"
#include "pictrieve/index/graph/hnsw_journal.h"
#include "pictrieve/index/graph/hnsw_links.h"
#include "pictrieve/index/graph/hnsw_walk.h"
#include "pictrieve/index/graph/neighbour_chooser.h"
#include "pictrieve/index/structure.h"

namespace pictrieve {

/// As in ParlayANN (Dobson et al., PPoPP 2024): first the rows of a batch choose their neighbours in the graph as it
/// is, then each row that was chosen takes its new links at once. Other than there, rows of a batch also choose among
/// those before them, as if they came one by one: a batch of pictures that resemble only each other stays together.
class HnswBuild {
 public:
  HnswBuild(HnswLinks& links, HnswJournal& journal, const Rows& source, int ef_construction)
      : links_(links), journal_(journal), source_(source), ef_(ef_construction), back_links_(links, source) {}

  void run(const Exclusively& exclusively, const Monitor& monitor);

 private:
  /// What a thread needs.
  struct Builder {
    explicit Builder(const Rows& source) : comparer(source.comparer()), chooser(source) {}
    std::unique_ptr<Comparer> comparer;
    NeighbourChooser chooser;
    WalkSpace space;
    std::vector<float> keys;
  };
  struct LazyBuilder {
    std::unique_ptr<Builder> builder;
  };

  void add_batch(std::span<const int32_t> batch, const Exclusively& exclusively, const Monitor& monitor);
  void connect(const Exclusively& exclusively);
  void find_neighbours(std::span<const int32_t> batch, size_t position, Builder& builder);

  HnswLinks& links_;
  HnswJournal& journal_;
  const Rows& source_;
  int ef_;
  BackLinks back_links_;
  Pool<LazyBuilder> builders_;
};

}  // namespace pictrieve
