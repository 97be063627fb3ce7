// How likely a score is to be chance, given what unrelated items of the same index score.
#pragma once

#include <cstdint>
#include <span>

#include "pictrieve/base/matrix.h"
#include "pictrieve/base/parallel.h"

namespace pictrieve {

/// What random items score for each of a sample of queries: a normal distribution a query. Queries differ in both
/// numbers (some are near to everything), so that one distribution for all would be too wide for most of them.
struct NullModel {
  std::span<const double> means;
  std::span<const double> deviations;  ///< at least 0
  bool fisher = true;                  ///< the normal is that of atanh(score) (Fisher 1915), for scores up to 1
};

/// For each score the probability that the best of `items` random items scores below it, averaged over the sampled
/// queries; in [0, 1] and rising with the score.
Matrix<double> confidences(const NullModel& model, int64_t items, std::span<const double> scores,
                           const Monitor& monitor = {});

}  // namespace pictrieve
