#include "pictrieve/image/augment/disturb.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace pictrieve {
namespace {

/// Weights of distances 0 .. radius; both sides together sum to 1.
std::vector<float> half_kernel(double sigma) {
  const int radius = static_cast<int>(4 * sigma + 0.5);
  std::vector<double> weights;
  double sum = 0;
  for (int i = 0; i <= radius; ++i) {
    weights.push_back(i == 0 ? 1 : std::exp(-0.5 * i * i / (sigma * sigma)));
    sum += i == 0 ? weights.back() : 2 * weights.back();
  }
  std::vector<float> half;
  for (const double weight : weights) half.push_back(static_cast<float>(weight / sum));
  return half;
}

/// A place outside of 0 .. size - 1, reflected at the first and the last.
int mirrored(int place, int size) {
  if (size == 1) return 0;
  const int period = 2 * (size - 1);
  const int within = ((place % period) + period) % period;
  return std::min(within, period - within);
}

/// Row `y` of the picture blurred downwards.
void blur_down(ImageView image, int y, const std::vector<float>& weights, float* out) {
  const int values = 3 * image.width;
  const uint8_t* centre = image.row(y);
  for (int i = 0; i < values; ++i) out[i] = weights[0] * static_cast<float>(centre[i]);
  for (int tap = 1; tap < static_cast<int>(weights.size()); ++tap) {
    const uint8_t* above = image.row(mirrored(y - tap, image.height));
    const uint8_t* below = image.row(mirrored(y + tap, image.height));
    const float weight = weights[tap];
    for (int i = 0; i < values; ++i) out[i] += weight * static_cast<float>(above[i] + below[i]);
  }
}

/// `row` has a margin of `radius` pixels on either side, which is filled here.
void blur_across(std::vector<float>& row, int width, const std::vector<float>& weights, std::vector<float>& sums,
                 uint8_t* out) {
  const int radius = static_cast<int>(weights.size()) - 1, values = 3 * width;
  float* centre = row.data() + 3 * radius;
  for (int i = 1; i <= radius; ++i) {
    std::copy_n(centre + 3 * mirrored(-i, width), 3, centre - 3 * i);
    std::copy_n(centre + 3 * mirrored(width - 1 + i, width), 3, centre + 3 * (width - 1 + i));
  }
  for (int i = 0; i < values; ++i) sums[i] = 0.5F + weights[0] * centre[i];
  for (int tap = 1; tap <= radius; ++tap) {
    const float weight = weights[tap];
    const float* before = centre - 3 * tap;
    const float* after = centre + 3 * tap;
    for (int i = 0; i < values; ++i) sums[i] += weight * (before[i] + after[i]);
  }
  for (int i = 0; i < values; ++i) out[i] = static_cast<uint8_t>(static_cast<int>(std::min(sums[i], 255.0F)));
}

}  // namespace

Image blurred(ImageView image, double sigma) {
  const std::vector<float> weights = half_kernel(sigma);
  const auto radius = weights.size() - 1;
  Image out(image.height, image.width, 3);
  std::vector<float> row(3 * (static_cast<size_t>(image.width) + 2 * radius));
  std::vector<float> sums(size_t{3} * image.width);
  for (int y = 0; y < image.height; ++y) {
    blur_down(image, y, weights, row.data() + 3 * radius);
    blur_across(row, image.width, weights, sums, out.row(y));
  }
  return out;
}

void add_noise(const Image& image, double deviation, RandomStream& random) {
  std::vector<float> numbers(static_cast<size_t>(image.row_stride()));
  for (int y = 0; y < image.height(); ++y) {
    random.normals(numbers);
    uint8_t* row = image.row(y);
    for (size_t i = 0; i < numbers.size(); ++i) {
      const float level = static_cast<float>(row[i]) + static_cast<float>(deviation) * numbers[i] + 0.5F;
      row[i] = static_cast<uint8_t>(static_cast<int>(std::clamp(level, 0.0F, 255.0F)));
    }
  }
}

void fill_with_noise(const Image& image, const Window& window, RandomStream& random) {
  for (int y = window.top; y < window.top + window.height; ++y)
    random.bytes({image.row(y) + int64_t{3} * window.left, size_t{3} * window.width});
}

}  // namespace pictrieve
