// All rows of one matrix against all rows of another.
#pragma once

#include <cstdint>

#include "pictrieve/base/matrix.h"
#include "pictrieve/base/parallel.h"
#include "pictrieve/index/distance/metric.h"

namespace pictrieve {

/// Scores as in metric.h (larger is better), or distances (smaller is better).
/// Distances: L2, L1, chi-square and Hamming as they are; 1 - score of cosine, Pearson and Jaccard;
/// sqrt(1 - BC) of Hellinger; minus the product or the intersection.
enum class PairKind : uint8_t { Score, Distance };

/// out(i, j) compares x.row(i) with y.row(j), by any metric but Hamming. Equal rows are exactly 0 apart under every
/// metric but inner product and intersection, and score exactly 1 under cosine, Pearson, Jaccard and Hellinger; but a
/// row of zeros (under Pearson: of one number) has cosine 0 with every row, itself included. Throws naming the row
/// with NaN or infinity, a negative number under a histogram metric, or a length whose square is past float32 under
/// inner product and L2. The result does not depend on the number of threads. Besides `out` it takes up to 32 MB.
void pairwise(MatrixView<const float> x, MatrixView<const float> y, Metric metric, PairKind kind, MatrixView<float> out,
              const Monitor& monitor = {});

/// The same for rows of packed bits, by Hamming or Jaccard.
void pairwise(MatrixView<const uint8_t> x, MatrixView<const uint8_t> y, Metric metric, PairKind kind,
              MatrixView<float> out, const Monitor& monitor = {});

}  // namespace pictrieve
