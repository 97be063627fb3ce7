// Steps on whole batches: pictures mixed with others of their batch.
#pragma once

#include <cstdint>
#include <span>

#include "pictrieve/image/augment/random.h"

namespace pictrieve {

enum class MixKind {
  Mixup,   ///< weighted means (Zhang et al., 2018)
  CutMix,  ///< a rectangle of the other picture (Yun et al., 2019)
};

/// What a batch is made of: `values` numbers a picture, (channels, height, width), or (height, width, channels) where
/// `channels_last`.
struct MixLayout {
  int height = 0;
  int width = 0;
  bool channels_last = false;
};

/// The picture that each is mixed with, and how much of its own stays.
struct MixPlan {
  std::span<int64_t> partner;  ///< place in the batch
  std::span<float> weight;     ///< of the picture's own label; the partner's is 1 - weight
};

struct MixStep {
  MixKind kind = MixKind::Mixup;
  double shape = 1;        ///< weights are drawn of Beta(shape, shape)
  double probability = 1;  ///< of each picture; the others keep their own pixels and the weight 1
  uint64_t seed = 0;
  uint32_t epoch = 0;
};

/// Mixes `from` into `out`, which must not overlap. Pictures of a batch are put in a random order, drawn from their
/// indices, and each is mixed with the next: partners depend on which pictures are in the batch, not on their order.
void mix(const MixStep& step, std::span<const int64_t> indices, const MixLayout& layout, const float* from, float* out,
         const MixPlan& plan);
void mix(const MixStep& step, std::span<const int64_t> indices, const MixLayout& layout, const uint8_t* from,
         uint8_t* out, const MixPlan& plan);

}  // namespace pictrieve
