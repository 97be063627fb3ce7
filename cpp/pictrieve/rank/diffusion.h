// Re-ranking along the manifold of the items: diffusion on the graph of mutual neighbours.
#pragma once

#include <cstdint>

#include "pictrieve/base/matrix.h"
#include "pictrieve/base/parallel.h"
#include "pictrieve/index/index.h"

namespace pictrieve {

struct DiffusionOptions {
  int64_t neighbours = 10;   ///< of each item in the graph, where mutual, and of the query
  int64_t candidates = 200;  ///< nearest items, which are the graph's nodes
  double alpha = 0.9;        ///< share of a node's score that comes from its neighbours
  int iterations = 20;       ///< of conjugate gradients, at most
};

/// Scores f = (1 - alpha) (I - alpha S)^-1 y (Zhou et al. 2003), S the normalised affinities max(cosine, 0)^3 of mutual
/// neighbours among the candidates, y the query's affinities to its nearest (Iscen et al., CVPR 2017).
SearchResult diffusion(const Index& index, MatrixView<const float> queries, int64_t k, const DiffusionOptions& options,
                       const Filter& where = {}, const Monitor& monitor = {});

}  // namespace pictrieve
