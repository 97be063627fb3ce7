#include "pictrieve/detect/anchors.h"

#include <array>
#include <cmath>

namespace pictrieve {

std::vector<Box> anchors(int64_t rows, int64_t columns, int64_t stride_y, int64_t stride_x, float size) {
  constexpr std::array<float, 3> kRatios{0.5F, 1, 2};  // height over width
  std::array<Box, 3> shapes;
  for (size_t i = 0; i < kRatios.size(); ++i) {
    const float factor = std::sqrt(kRatios[i]);
    const float width = 1 / factor * size, height = factor * size;
    // Half to even, as the networks that are in use were trained.
    shapes[i] = {std::nearbyint(-width / 2), std::nearbyint(-height / 2), std::nearbyint(width / 2),
                 std::nearbyint(height / 2)};
  }
  std::vector<Box> boxes;
  boxes.reserve(static_cast<size_t>(rows * columns) * shapes.size());
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t column = 0; column < columns; ++column) {
      const float y = static_cast<float>(row * stride_y), x = static_cast<float>(column * stride_x);
      for (const Box& shape : shapes) boxes.push_back({shape.x1 + x, shape.y1 + y, shape.x2 + x, shape.y2 + y});
    }
  }
  return boxes;
}

}  // namespace pictrieve
