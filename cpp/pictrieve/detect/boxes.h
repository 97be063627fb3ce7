// Boxes in a picture: decoding, clipping, overlap.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace pictrieve {

/// Corners in pixels: x to the right, y down, x2 and y2 exclusive.
struct Box {
  float x1 = 0;
  float y1 = 0;
  float x2 = 0;
  float y2 = 0;

  float width() const { return x2 - x1; }
  float height() const { return y2 - y1; }
  float area() const { return width() * height(); }
};

/// What a network says of a box: shifts of the centre in units of its size, logarithms of the factors of its size.
using BoxChange = std::array<float, 4>;

/// The changed box (Girshick et al., arXiv:1311.2524, appendix C). `weights` divide the change; factors are at most
/// 1000 / 16.
Box changed_box(const Box& box, const BoxChange& change, const BoxChange& weights);

/// The part of a box within a picture.
Box clipped_box(const Box& box, float height, float width);

/// Area of the intersection over that of the union; 0 for boxes without area.
float overlap(const Box& a, const Box& b);

/// Places of the boxes that stay, best first, at most `most`: a box goes where a better one of its group overlaps it by
/// more than `threshold`. Equal scores: the earlier box is the better one. NaN is the worst score.
std::vector<int64_t> non_maximum_suppression(std::span<const Box> boxes, std::span<const float> scores,
                                             std::span<const int32_t> groups, float threshold, size_t most);

}  // namespace pictrieve
