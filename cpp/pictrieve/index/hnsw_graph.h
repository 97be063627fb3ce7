// A navigable small-world graph (Malkov and Yashunin, arXiv 1603.09320): finds near rows in few comparisons.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "pictrieve/base/parallel.h"
#include "pictrieve/base/pool.h"
#include "pictrieve/index/candidates.h"
#include "pictrieve/index/scorer.h"

namespace pictrieve {

class HnswLinks;
struct WalkSpace;

class HnswGraph {
 public:
  HnswGraph(int m, int ef_construction, uint64_t seed);
  ~HnswGraph();

  /// Links the scorer's rows from the graph's size up to `rows`, on all threads. When the monitor throws, the graph is
  /// as it was.
  void add(const Scorer& scorer, int64_t rows, const Monitor& monitor);

  /// Near rows, best first, at most `ef`. With `allowed` (a flag a row) only those; nothing where such rows are so rare
  /// near the query that comparing with all of them is quicker.
  std::optional<std::vector<Candidate>> search(const Scorer& scorer, const Query& query, int64_t ef,
                                               const uint8_t* allowed) const;

  /// The arrays, for the index file.
  HnswLinks& links() { return *links_; }
  const HnswLinks& links() const { return *links_; }

 private:
  std::unique_ptr<HnswLinks> links_;
  int ef_construction_;
  mutable Pool<WalkSpace> spaces_;  ///< kept, because clearing tags for each search would cost
};

}  // namespace pictrieve
