#include "pictrieve/image/split_weights.h"

namespace pictrieve {

SplitWeights split_weights(const AxisWeights& axis, int channels) {
  SplitWeights split;
  split.taps_per_group = channels == 1 ? 16 : 4;
  const int groups = (axis.stride + split.taps_per_group - 1) / split.taps_per_group;
  split.stride = groups * 16;
  split.high.assign(static_cast<size_t>(axis.size()) * split.stride, 0);
  split.low.assign(split.high.size(), 0);
  split.groups.resize(axis.size());
  for (int i = 0; i < axis.size(); ++i) {
    split.groups[i] = (axis.count[i] + split.taps_per_group - 1) / split.taps_per_group;
    for (int k = 0; k < axis.count[i]; ++k) {
      const int32_t weight = axis.weights[static_cast<size_t>(i) * axis.stride + k];
      for (int copy = 0; copy < (channels == 1 ? 1 : 4); ++copy) {
        const int place = channels == 1 ? k : k / 2 * 8 + copy * 2 + k % 2;
        split.high[static_cast<size_t>(i) * split.stride + place] = high_part(weight);
        split.low[static_cast<size_t>(i) * split.stride + place] = low_part(weight);
      }
    }
  }
  return split;
}

std::array<uint8_t, 32> pair_shuffle(int channels) {
  constexpr uint8_t kZero = 0x80;
  std::array<uint8_t, 32> shuffle{};
  shuffle.fill(kZero);
  for (int place = 0; place < 32; place += 2) {  // the odd places are the high bytes: zero
    const int block = place / 16, channel = place % 16 / 4, pixel = place % 4 / 2;
    if (channel < channels) shuffle[place] = static_cast<uint8_t>((2 * block + pixel) * channels + channel);
  }
  return shuffle;
}

}  // namespace pictrieve
