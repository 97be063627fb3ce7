// Results that do not all show the same thing.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "pictrieve/base/matrix.h"
#include "pictrieve/base/parallel.h"

namespace pictrieve {

/// The candidates of many queries, one query after another: that of query i are [offsets[i], offsets[i + 1]).
struct Candidates {
  std::span<const int64_t> ids;
  std::span<const float> relevance;  ///< empty: the similarity to the query's vector
  std::span<const int64_t> rows;     ///< of each candidate, in the matrix of vectors
  std::span<const int64_t> offsets;
  MatrixView<const float> queries{};  ///< one vector for each query, read where there is no relevance
};

struct DiversityOptions {
  int64_t k = 10;
  double diversity = 0.3;         ///< 0 looks at relevance alone, 1 at the difference from what is chosen alone
  std::string metric = "cosine";  ///< similarity of two vectors: cosine, ip, or l2 (minus the Euclidean distance)
};

/// In the order of choice; query i has [offsets[i], offsets[i + 1]).
struct Diversified {
  Matrix<int64_t> places;   ///< (1, total): which candidates
  Matrix<float> relevance;  ///< (1, total)
  std::vector<int64_t> offsets;
};

/// Maximal marginal relevance (Carbonell and Goldstein 1998): again and again the candidate with the largest
/// (1 - diversity) * relevance - diversity * (similarity to the nearest one chosen) is chosen, ties by id. The nearest
/// one is kept for each candidate, so that k of m candidates take k * m similarities. Ids of a query are distinct.
Diversified diversify(const Candidates& candidates, MatrixView<const float> vectors, const DiversityOptions& options,
                      const Monitor& monitor = {});

}  // namespace pictrieve
