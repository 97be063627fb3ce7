#include "pictrieve/detect/roi_align.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace pictrieve {
namespace {

constexpr int kChannels = 3, kHeight = 9, kWidth = 13;

std::vector<float> random_map() {
  std::mt19937 random(5);
  std::uniform_real_distribution<float> numbers(-1, 1);
  std::vector<float> map(size_t{kChannels} * kHeight * kWidth);
  std::ranges::generate(map, [&] { return numbers(random); });
  return map;
}

/// The value between four pixels, each weighted by how near it is.
double between(const float* plane, double y, double x) {
  if (y < -1 || y > kHeight || x < -1 || x > kWidth) return 0;
  y = std::clamp<double>(y, 0, kHeight - 1);
  x = std::clamp<double>(x, 0, kWidth - 1);
  double sum = 0;
  for (int row = 0; row < kHeight; ++row)
    for (int column = 0; column < kWidth; ++column)
      sum +=
          std::max(0.0, 1 - std::abs(y - row)) * std::max(0.0, 1 - std::abs(x - column)) * plane[row * kWidth + column];
  return sum;
}

double reference(const float* plane, const Box& box, const RoiAlignOptions& options, int row, int column) {
  const double shift = options.aligned ? 0.5 : 0, least = options.aligned ? 0 : 1;
  const double left = box.x1 * options.scale - shift, top = box.y1 * options.scale - shift;
  const double cell_width = std::max<double>(box.width() * options.scale, least) / options.side;
  const double cell_height = std::max<double>(box.height() * options.scale, least) / options.side;
  double sum = 0;
  for (int i = 0; i < options.samples; ++i)
    for (int j = 0; j < options.samples; ++j)
      sum += between(plane, top + (row + (i + 0.5) / options.samples) * cell_height,
                     left + (column + (j + 0.5) / options.samples) * cell_width);
  return sum / (options.samples * options.samples);
}

void expect_like_reference(const Box& box, const RoiAlignOptions& options) {
  const std::vector<float> map = random_map();
  const int side = options.side;
  std::vector<float> found(static_cast<size_t>(kChannels * side * side));
  roi_align({map.data(), kChannels, kHeight, kWidth}, box, options, found.data());
  for (int channel = 0; channel < kChannels; ++channel)
    for (int row = 0; row < side; ++row)
      for (int column = 0; column < side; ++column)
        EXPECT_NEAR(found[static_cast<size_t>((channel * side + row) * side + column)],
                    reference(map.data() + channel * kHeight * kWidth, box, options, row, column), 2e-5)
            << row << ", " << column;
}

TEST(RoiAlign, EqualsAPlainLoop) {
  for (const bool aligned : {false, true}) {
    expect_like_reference({8.3F, 5.1F, 40.7F, 30.2F}, {.scale = 0.25F, .aligned = aligned});
    expect_like_reference({2, 3, 11, 8}, {.side = 3, .samples = 1, .aligned = aligned});
    expect_like_reference({5.5F, 4.5F, 5.6F, 4.6F}, {.side = 2, .samples = 4, .aligned = aligned});  // below a pixel
  }
}

TEST(RoiAlign, TakesBoxesAcrossAndOutsideTheMap) {
  expect_like_reference({-6, -7, 5, 4}, {});
  expect_like_reference({8, 6, 30, 25}, {});
  expect_like_reference({-200, -100, -150, -90}, {});
  expect_like_reference({-1e6F, -1e6F, 1e6F, 1e6F}, {});
}

TEST(RoiAlign, CountsPlacesThatAreNoNumbersAsZero) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInfinity = std::numeric_limits<float>::infinity();
  const std::vector<float> map = random_map();
  for (const Box& box : {Box{kNan, 0, 5, 5}, Box{0, kNan, 5, kNan}, Box{-kInfinity, 0, kInfinity, 5}}) {
    std::vector<float> found(size_t{kChannels} * 7 * 7, 1);
    roi_align({map.data(), kChannels, kHeight, kWidth}, box, {}, found.data());
    EXPECT_EQ(std::ranges::count(found, 0.0F), std::ssize(found));
  }
}

}  // namespace
}  // namespace pictrieve
