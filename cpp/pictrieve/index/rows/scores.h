// Private: what float, 16-bit and 8-bit rows share in turning products and distances into scores.
#pragma once

#include <algorithm>
#include <cmath>

#include "pictrieve/index/distance/float_kernel.h"
#include "pictrieve/index/distance/metric.h"
#include "pictrieve/index/rows/lengths.h"

namespace pictrieve {

/// Makes keys of what the kernel of a metric gives: distances change their sign.
inline void turn_distances(Metric metric, float* keys, int64_t count) {
  if (metric != Metric::L2 && metric != Metric::L1 && metric != Metric::ChiSquare) return;
  for (int64_t i = 0; i < count; ++i) keys[i] = 0.0F - keys[i];
}

/// Makes scores of keys: a distance is the root of its square.
inline void scores_from_keys(Metric metric, float* keys, size_t count) {
  if (metric != Metric::L2) return;
  for (size_t i = 0; i < count; ++i) keys[i] = 0.0F - std::sqrt(0.0F - keys[i]);
}

/// Note [exact scores]: both lengths and the product come from one routine, so that for equal vectors all three are the
/// same number s. The root of s * s in double is s: their cosine is exactly 1, without snapping. A stored squared
/// length does not serve here: a machine with other vectors, summing in another order, may have written it.
inline float cosine_score(double product, double a_squared, double b_squared) {
  if (inverse_length(static_cast<float>(a_squared)) == 0 || inverse_length(static_cast<float>(b_squared)) == 0)
    return 0;
  const double cosine = product / std::sqrt(a_squared * b_squared);
  return static_cast<float>(std::clamp(cosine, -1.0, 1.0));  // rounding alone goes past 1
}

}  // namespace pictrieve
