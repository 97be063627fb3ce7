#include "pictrieve/image/augment/windows.h"

#include <algorithm>
#include <cmath>

namespace pictrieve {
namespace {

constexpr int kTries = 10;

struct Shape {
  int height = 0;
  int width = 0;
};

Shape random_shape(PixelSize picture, Range area, Range aspect, RandomStream& random) {
  const double pixels = static_cast<double>(picture.height * picture.width) * random.uniform(area);
  const double ratio = std::exp(random.uniform({std::log(aspect.low), std::log(aspect.high)}));
  return {static_cast<int>(std::lrint(std::sqrt(pixels / ratio))),
          static_cast<int>(std::lrint(std::sqrt(pixels * ratio)))};
}

Window somewhere(PixelSize picture, const Shape& shape, RandomStream& random) {
  const auto top = static_cast<int>(random.below(picture.height - shape.height + 1));
  const auto left = static_cast<int>(random.below(picture.width - shape.width + 1));
  return {top, left, shape.height, shape.width};
}

Window largest_in_the_middle(PixelSize picture, Range aspect) {
  const auto height = static_cast<int>(picture.height), width = static_cast<int>(picture.width);
  const double ratio = static_cast<double>(width) / height;
  Shape shape{height, width};
  if (ratio < aspect.low) shape.height = std::max(1, static_cast<int>(std::lrint(width / aspect.low)));
  if (ratio > aspect.high) shape.width = std::max(1, static_cast<int>(std::lrint(height * aspect.high)));
  return {(height - shape.height) / 2, (width - shape.width) / 2, shape.height, shape.width};
}

}  // namespace

Window random_part(PixelSize picture, Range area, Range aspect, RandomStream& random) {
  for (int i = 0; i < kTries; ++i) {
    const Shape shape = random_shape(picture, area, aspect, random);
    const bool fits =
        shape.height > 0 && shape.width > 0 && shape.height <= picture.height && shape.width <= picture.width;
    if (fits) return somewhere(picture, shape, random);
  }
  return largest_in_the_middle(picture, aspect);
}

Window random_hole(PixelSize picture, Range area, Range aspect, RandomStream& random) {
  for (int i = 0; i < kTries; ++i) {
    const Shape shape = random_shape(picture, area, aspect, random);
    if (shape.height < picture.height && shape.width < picture.width) return somewhere(picture, shape, random);
  }
  return {};
}

}  // namespace pictrieve
