// Re-ranking by neighbours that two items share: k-reciprocal encoding (Zhong et al., CVPR 2017).
#pragma once

#include <cstdint>

#include "pictrieve/base/matrix.h"
#include "pictrieve/base/parallel.h"
#include "pictrieve/index/index.h"

namespace pictrieve {

struct ReciprocalOptions {
  int64_t candidates = 100;  ///< nearest items that are re-ranked and looked at
  int64_t k1 = 20;           ///< neighbours that have to be mutual; half of them, rounded up, in the expansion
  int64_t k2 = 6;            ///< encodings averaged in the local query expansion, the item's own included; 1: none
  double weight = 0.3;       ///< of the cosine beside the Jaccard similarity
};

/// Scores are (1 - weight) Jaccard similarity + weight cosine: 1 minus the paper's final distance, whose original
/// distance is 1 - cosine here, in the encoding's exp(-distance) too. The gallery of the paper is the candidates and
/// the query: with as many candidates as items it is all of them.
SearchResult k_reciprocal(const Index& index, MatrixView<const float> queries, int64_t k,
                          const ReciprocalOptions& options, const Filter& where = {}, const Monitor& monitor = {});

}  // namespace pictrieve
