#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "pictrieve/base/error.h"
#include "pictrieve/image/resize.h"

namespace pictrieve {
namespace {

constexpr int kMostTaps = 4;

/// The source pixels of one output pixel along one axis.
struct Taps {
  std::array<int, kMostTaps> position{};
  std::array<float, kMostTaps> weight{};
};

std::array<float, kMostTaps> weights_at(float offset, Interpolation interpolation) {
  if (interpolation == Interpolation::Bilinear) return {0, 1 - offset, offset, 0};
  constexpr float a = -0.75F;  // OpenCV's and TensorFlow's choice; Pillow's is -0.5
  const auto near = [](float x) { return ((a + 2) * x - (a + 3)) * x * x + 1; };
  const auto far = [](float x) { return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a; };
  return {far(1 + offset), near(offset), near(1 - offset), far(2 - offset)};
}

std::vector<Taps> axis_taps(int source, int target, Interpolation interpolation, int first, int count) {
  std::vector<Taps> axis(count);
  const double scale = static_cast<double>(source) / target;
  for (int i = 0; i < count; ++i) {
    const double centre = (first + i + 0.5) * scale - 0.5;
    const int left = static_cast<int>(std::floor(centre));
    axis[i].weight = weights_at(static_cast<float>(centre - left), interpolation);
    for (int k = 0; k < kMostTaps; ++k) axis[i].position[k] = std::clamp(left - 1 + k, 0, source - 1);
  }
  return axis;
}

void accumulate_row(ImageView source, int y, const std::vector<Taps>& columns, float weight, std::vector<float>& sums) {
  const uint8_t* row = source.row(y);
  float* to = sums.data();
  for (const Taps& taps : columns) {
    for (int c = 0; c < source.channels; ++c) {
      float sum = 0;
      for (int k = 0; k < kMostTaps; ++k) sum += taps.weight[k] * row[int64_t{taps.position[k]} * source.channels + c];
      *to++ += weight * sum;
    }
  }
}

}  // namespace

Image resize_sharp(ImageView source, int height, int width, Interpolation interpolation, const Window& window) {
  require(interpolation == Interpolation::Bilinear || interpolation == Interpolation::Bicubic,
          "resize without antialias: expected bilinear or bicubic, got ", name_of(interpolation));
  require(source.height > 0 && source.width > 0 && height > 0 && width > 0, "resize: expected sizes of at least 1 x 1");
  const std::vector<Taps> columns = axis_taps(source.width, width, interpolation, window.left, window.width);
  const std::vector<Taps> rows = axis_taps(source.height, height, interpolation, window.top, window.height);
  Image out(window.height, window.width, source.channels);
  std::vector<float> sums(static_cast<size_t>(out.row_stride()));
  for (int y = 0; y < window.height; ++y) {
    std::fill(sums.begin(), sums.end(), 0.0F);
    for (int k = 0; k < kMostTaps; ++k)
      if (rows[y].weight[k] != 0) accumulate_row(source, rows[y].position[k], columns, rows[y].weight[k], sums);
    std::transform(sums.begin(), sums.end(), out.row(y),
                   [](float sum) { return static_cast<uint8_t>(std::clamp(std::lrint(sum), 0L, 255L)); });
  }
  return out;
}

}  // namespace pictrieve
