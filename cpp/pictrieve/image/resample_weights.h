// How much each source pixel counts for each output pixel of one axis.
#pragma once

#include <cstdint>
#include <vector>

#include "pictrieve/image/resize.h"

namespace pictrieve {

/// Weights are fixed-point numbers of this many fractional bits: 8-bit pixels times weights, summed in 32 bits with
/// room for the negative lobes of the filters. Pillow's number, which its bytes depend on.
inline constexpr int kWeightBits = 22;

/// Output i is the sum of `count[i]` source pixels from `begin[i]` on, weighted by weights[i * stride ...].
struct AxisWeights {
  int stride = 0;
  std::vector<int> begin;
  std::vector<int> count;
  std::vector<int32_t> weights;  ///< zero from `count` to `stride`

  int size() const { return static_cast<int>(begin.size()); }
  int first() const { return begin.front(); }
  int end() const;  ///< one past the last source pixel that any output needs
};

/// Weights of outputs [first, first + count) of the axis that turns `source` pixels into `target` pixels.
AxisWeights axis_weights(int source, int target, Interpolation interpolation, int first, int count);

}  // namespace pictrieve
