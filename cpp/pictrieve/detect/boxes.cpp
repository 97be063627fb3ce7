#include "pictrieve/detect/boxes.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace pictrieve {
namespace {

const float kMostGrowth = std::log(1000.0F / 16.0F);

}  // namespace

Box changed_box(const Box& box, const BoxChange& change, const BoxChange& weights) {
  const float width = box.width(), height = box.height();
  const float x = box.x1 + 0.5F * width + change[0] / weights[0] * width;
  const float y = box.y1 + 0.5F * height + change[1] / weights[1] * height;
  const float half_width = 0.5F * (std::exp(std::min(change[2] / weights[2], kMostGrowth)) * width);
  const float half_height = 0.5F * (std::exp(std::min(change[3] / weights[3], kMostGrowth)) * height);
  return {x - half_width, y - half_height, x + half_width, y + half_height};
}

Box clipped_box(const Box& box, float height, float width) {
  return {std::clamp(box.x1, 0.0F, width), std::clamp(box.y1, 0.0F, height), std::clamp(box.x2, 0.0F, width),
          std::clamp(box.y2, 0.0F, height)};
}

float overlap(const Box& a, const Box& b) {
  const float width = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
  const float height = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
  if (width <= 0 || height <= 0) return 0;
  const float shared = width * height;
  return shared / (a.area() + b.area() - shared);
}

std::vector<int64_t> non_maximum_suppression(std::span<const Box> boxes, std::span<const float> scores,
                                             std::span<const int32_t> groups, float threshold, size_t most) {
  std::vector<int64_t> order(boxes.size()), kept;
  std::iota(order.begin(), order.end(), int64_t{0});
  // NaN behind all others: without a place of its own it would leave no order at all.
  const auto worth = [&](int64_t i) {
    return std::pair(!std::isnan(scores[i]), std::isnan(scores[i]) ? 0 : scores[i]);
  };
  std::ranges::stable_sort(order, [&](int64_t a, int64_t b) { return worth(a) > worth(b); });
  for (const int64_t candidate : order) {
    if (kept.size() == most) break;
    const bool covered = std::ranges::any_of(kept, [&](int64_t better) {
      return groups[better] == groups[candidate] && overlap(boxes[better], boxes[candidate]) > threshold;
    });
    if (!covered) kept.push_back(candidate);
  }
  return kept;
}

}  // namespace pictrieve
