#include "pictrieve/image/augment/mix.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>
#include <vector>

#include "pictrieve/base/error.h"
#include "pictrieve/base/parallel.h"
#include "pictrieve/image/resize.h"

namespace pictrieve {
namespace {

/// The stream that no step of a recipe has.
constexpr uint16_t kMixStream = 0xFFFF;

RandomStream stream_of(const MixStep& step, int64_t index) { return {step.seed, {index, step.epoch, 0}, kMixStream}; }

/// Each picture's neighbour in a random order of the batch.
void find_partners(const MixStep& step, std::span<const int64_t> indices, std::span<int64_t> partner) {
  std::vector<double> keys;
  for (const int64_t index : indices) keys.push_back(stream_of(step, index).uniform());
  std::vector<int64_t> order(indices.size());
  std::iota(order.begin(), order.end(), 0);
  // The index decides between equal keys, and the place where a picture is in the batch twice.
  std::ranges::sort(order, {}, [&](int64_t i) { return std::tuple(keys[i], indices[i], i); });
  for (size_t i = 0; i < order.size(); ++i) partner[order[i]] = order[(i + 1) % order.size()];
}

uint8_t mixed(uint8_t own, uint8_t other, float weight) {
  const float level = weight * static_cast<float>(own) + (1 - weight) * static_cast<float>(other);
  return static_cast<uint8_t>(static_cast<int>(level + 0.5F));
}
float mixed(float own, float other, float weight) { return weight * own + (1 - weight) * other; }

/// A rectangle of 1 - `weight` of the area about a random centre; what is outside of the picture is cut off.
Window cut_window(const MixLayout& layout, double weight, RandomStream& random) {
  const double side = std::sqrt(1 - weight);
  const int height = static_cast<int>(layout.height * side), width = static_cast<int>(layout.width * side);
  const auto y = static_cast<int>(random.below(layout.height)), x = static_cast<int>(random.below(layout.width));
  const int top = std::max(y - height / 2, 0), left = std::max(x - width / 2, 0);
  return {top, left, std::min(y + height / 2, layout.height) - top, std::min(x + width / 2, layout.width) - left};
}

template <typename Value>
void paste(const MixLayout& layout, const Window& window, const Value* from, Value* to) {
  const int64_t channels = layout.channels_last ? 3 : 1, planes = layout.channels_last ? 1 : 3;
  const int64_t stride = channels * layout.width;
  for (int64_t plane = 0; plane < planes; ++plane)
    for (int y = window.top; y < window.top + window.height; ++y) {
      const int64_t at = (plane * layout.height + y) * stride + channels * window.left;
      std::copy_n(from + at, channels * window.width, to + at);
    }
}

template <typename Value>
void mix_one(const MixStep& step, int64_t index, const MixLayout& layout, const Value* own, const Value* other,
             Value* out, float& weight) {
  const int64_t values = int64_t{3} * layout.height * layout.width;
  RandomStream random = stream_of(step, index);
  random.uniform();  // the key of the order
  weight = 1;
  std::copy_n(own, values, out);
  if (!random.happens(step.probability)) return;
  const double drawn = random.beta(step.shape);
  if (step.kind == MixKind::Mixup) {
    weight = static_cast<float>(drawn);
    for (int64_t i = 0; i < values; ++i) out[i] = mixed(own[i], other[i], weight);
    return;
  }
  const Window window = cut_window(layout, drawn, random);
  paste(layout, window, other, out);
  const double pixels = static_cast<double>(layout.height) * layout.width;
  weight = static_cast<float>(1 - static_cast<double>(window.height) * window.width / pixels);
}

template <typename Value>
void mix_all(const MixStep& step, std::span<const int64_t> indices, const MixLayout& layout, const Value* from,
             Value* out, const MixPlan& plan) {
  require(std::isfinite(step.shape) && step.shape > 0 && step.shape <= 1e4,
          "alpha: expected above 0, at most 10000, got ", step.shape);
  require(step.probability >= 0 && step.probability <= 1, "probability: expected 0 to 1, got ", step.probability);
  const int64_t values = int64_t{3} * layout.height * layout.width;
  find_partners(step, indices, plan.partner);
  parallel_for(static_cast<int64_t>(indices.size()), 1, [&](int64_t begin, int64_t end, Worker) {
    for (int64_t i = begin; i < end; ++i)
      mix_one(step, indices[i], layout, from + i * values, from + plan.partner[i] * values, out + i * values,
              plan.weight[i]);
  });
}

}  // namespace

void mix(const MixStep& step, std::span<const int64_t> indices, const MixLayout& layout, const float* from, float* out,
         const MixPlan& plan) {
  mix_all(step, indices, layout, from, out, plan);
}

void mix(const MixStep& step, std::span<const int64_t> indices, const MixLayout& layout, const uint8_t* from,
         uint8_t* out, const MixPlan& plan) {
  mix_all(step, indices, layout, from, out, plan);
}

}  // namespace pictrieve
