// Weights as two 16-bit halves, in the order in which the horizontal kernels read them.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "pictrieve/image/resample_weights.h"

namespace pictrieve {

// A weight of 23 bits does not fit the 16-bit multiplier, whose instruction does four times the work of the 32-bit one.
// So it is split: weight = high * 2^15 + low. Both sums are exact in 32 bits (the low one modulo 2^32, as is their
// total).
inline constexpr int kLowBits = 15;

inline int16_t high_part(int32_t weight) { return static_cast<int16_t>(weight >> kLowBits); }
inline int16_t low_part(int32_t weight) { return static_cast<int16_t>(weight & ((1 << kLowBits) - 1)); }

/// Weights of one axis: groups of 16 numbers per output.
struct SplitWeights {
  std::vector<int16_t> high, low;
  std::vector<int> groups;  ///< of 16 numbers, per output
  int stride = 0;           ///< numbers per output
  int taps_per_group = 0;
};

/// Colour: 4 taps per group, as pairs repeated for 4 channels (a b a b a b a b). Grey: 16 taps in order.
SplitWeights split_weights(const AxisWeights& axis, int channels);

/// The bytes of pixels 2b and 2b+1 as 16-bit pairs per channel, for block b of a load: r0 r1 g0 g1 b0 b1 (a0 a1).
std::array<uint8_t, 32> pair_shuffle(int channels);

}  // namespace pictrieve
