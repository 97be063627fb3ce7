// Private: a query and its nearest items compared with each other, which is all that a re-ranker looks at.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "pictrieve/base/matrix.h"
#include "pictrieve/base/parallel.h"
#include "pictrieve/index/index.h"

namespace pictrieve {

/// Throws unless the index compares by cosine.
void require_cosine(const Index& index);

/// Gives a score to each of n candidates, from the cosines (n + 1, n + 1) among the query, which is row 0, and them,
/// which come in the order of the search.
using ScoreCandidates = std::function<void(MatrixView<const float> cosines, std::span<double> scores)>;

/// The `k` best of each query's `candidates` nearest items (at least k of them) by new scores; among equal scores the
/// order of the search stays. What a thread holds grows with the square of the candidates, not with the index.
SearchResult rerank_candidates(const Index& index, MatrixView<const float> queries, int64_t k, int64_t candidates,
                               const Filter& where, const ScoreCandidates& score, const Monitor& monitor);

/// For each row of the cosines, itself and its `count` nearest others, best first, among equals the earlier.
Matrix<int32_t> nearest_places(MatrixView<const float> cosines, int64_t count);

}  // namespace pictrieve
