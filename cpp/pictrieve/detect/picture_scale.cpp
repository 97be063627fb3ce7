#include "pictrieve/detect/picture_scale.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace pictrieve {
namespace {

constexpr int kMultiple = 32;
constexpr std::array<float, 3> kMean{0.485F, 0.456F, 0.406F};
constexpr std::array<float, 3> kDeviation{0.229F, 0.224F, 0.225F};

/// Between which pixels of an axis each new pixel lies, and the share of the second.
struct Between {
  int first = 0;
  int second = 0;
  float share = 0;
};

std::vector<Between> axis(int from, int to) {
  std::vector<Between> places(static_cast<size_t>(to));
  const float step = static_cast<float>(from) / static_cast<float>(to);
  for (int i = 0; i < to; ++i) {
    const float place = std::max(step * (static_cast<float>(i) + 0.5F) - 0.5F, 0.0F);
    const int first = std::min(static_cast<int>(place), from - 1);
    places[static_cast<size_t>(i)] = {first, std::min(first + 1, from - 1), place - static_cast<float>(first)};
  }
  return places;
}

int padded(int size) { return (size + kMultiple - 1) / kMultiple * kMultiple; }

}  // namespace

ScaledPicture scaled_picture(ImageView image, int short_side, int long_side) {
  const auto [least, most] = std::minmax(image.height, image.width);
  const float factor = std::min(static_cast<float>(short_side) / static_cast<float>(least),
                                static_cast<float>(long_side) / static_cast<float>(most));
  const auto scaled = [&](int side) {
    return std::max(static_cast<int>(std::floor(static_cast<double>(side) * static_cast<double>(factor))), 1);
  };
  ScaledPicture result;
  result.height = scaled(image.height);
  result.width = scaled(image.width);
  result.padded_height = padded(result.height);
  result.padded_width = padded(result.width);
  const int64_t plane = int64_t{result.padded_height} * result.padded_width;
  result.pixels = Matrix<float>(3, plane);
  std::fill_n(result.pixels.data(), 3 * plane, 0.0F);
  const std::vector<Between> rows = axis(image.height, result.height), columns = axis(image.width, result.width);
  for (int y = 0; y < result.height; ++y) {
    const Between& down = rows[static_cast<size_t>(y)];
    const uint8_t *above = image.row(down.first), *below = image.row(down.second);
    for (int x = 0; x < result.width; ++x) {
      const Between& across = columns[static_cast<size_t>(x)];
      for (size_t c = 0; c < 3; ++c) {
        const auto value = [&](const uint8_t* row, int column) {
          return (static_cast<float>(row[column * image.channels + static_cast<int>(c)]) / 255.0F - kMean[c]) /
                 kDeviation[c];
        };
        const float upper =
            value(above, across.first) * (1 - across.share) + value(above, across.second) * across.share;
        const float lower =
            value(below, across.first) * (1 - across.share) + value(below, across.second) * across.share;
        result.pixels.row(static_cast<int64_t>(c))[int64_t{y} * result.padded_width + x] =
            upper * (1 - down.share) + lower * down.share;
      }
    }
  }
  return result;
}

}  // namespace pictrieve
