#include "pictrieve/image/resize.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "pictrieve/image/codec.h"
#include "pictrieve/image/pixels.h"
#include "pictrieve/image/source.h"

namespace pictrieve {
namespace {

constexpr Interpolation kAll[] = {Interpolation::Nearest, Interpolation::Box, Interpolation::Bilinear,
                                  Interpolation::Bicubic, Interpolation::Lanczos};

Image noise(int height, int width, int channels) {
  std::mt19937 random(7);
  const Image image(height, width, channels);
  for (int64_t i = 0; i < height * image.row_stride(); ++i) image.data()[i] = static_cast<uint8_t>(random());
  return image;
}

bool equal(ImageView a, ImageView b) {
  if (a.height != b.height || a.width != b.width || a.channels != b.channels) return false;
  for (int y = 0; y < a.height; ++y)
    if (std::memcmp(a.row(y), b.row(y), size_t(a.width) * a.channels) != 0) return false;
  return true;
}

TEST(Resize, EqualsPillowsBytes) {
  const std::string folder = std::string(TEST_DATA_DIR) + "/images/";
  const Image image = decode(read_file(folder + "plain.png"));
  for (const Interpolation kind : {Interpolation::Bicubic, Interpolation::Lanczos}) {
    const std::vector<uint8_t> expected = read_file(folder + "plain_13x9_" + std::string(name_of(kind)) + ".rgb");
    const Image resized = resize(image, 9, 13, kind);
    ASSERT_EQ(expected.size(), 9U * 13 * 3);
    EXPECT_EQ(std::memcmp(resized.data(), expected.data(), expected.size()), 0) << name_of(kind);
  }
}

TEST(Resize, WindowsAreCropsOfTheWhole) {
  const int sizes[][2] = {{30, 50}, {200, 20}, {61, 90}, {120, 83}, {61, 83}, {5, 300}};
  for (const int channels : {1, 3, 4})
    for (const Interpolation kind : kAll)
      for (const auto& [height, width] : sizes) {
        const Image image = noise(61, 83, channels);
        const Window window{height / 4, width / 5, height / 2, width / 2};
        const Image whole = resize(image, height, width, kind);
        const Image part = resize_window(image, height, width, kind, window);
        EXPECT_TRUE(equal(part, crop_view(whole, window.top, window.left, window.height, window.width)))
            << name_of(kind) << ' ' << height << ' ' << width << ' ' << channels;
      }
}

TEST(Resize, EveryInstructionSetGivesTheSameBytes) {
  for (const int channels : {1, 3, 4}) {
    const Image image = noise(137, 151, channels);
    std::vector<Image> results;
    for (const int64_t target : {int64_t{0}, int64_t{HWY_AVX2 | HWY_SSE4 | HWY_SSSE3}, int64_t{HWY_SSE4 | HWY_SSSE3}}) {
      hwy::SetSupportedTargetsForTest(target);
      hwy::GetChosenTarget().Update(hwy::SupportedTargets());
      results.push_back(resize(image, 40, 61, Interpolation::Bicubic));
      hwy::SetSupportedTargetsForTest(0);
      hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    }
    EXPECT_TRUE(equal(results[0], results[1]));
    EXPECT_TRUE(equal(results[0], results[2]));
  }
}

TEST(Resize, RefusesNonsense) {
  const Image image = noise(4, 4, 3);
  EXPECT_THROW(resize(image, 0, 3, Interpolation::Box), std::invalid_argument);
  EXPECT_THROW(resize_window(image, 3, 3, Interpolation::Box, {1, 1, 3, 3}), std::invalid_argument);
  EXPECT_THROW(crop_view(image, 0, 2, 4, 3), std::invalid_argument);
}

TEST(Upright, AllOrientations) {
  Image image(2, 3, 1);
  std::memcpy(image.data(), "abcdef", 6);
  const char* expected[] = {"abcdef", "cbafed", "fedcba", "defabc", "adbecf", "daebfc", "fcebda", "cfbead"};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const Image turned = upright(image, orientation);
    EXPECT_EQ(turned.height(), orientation >= 5 ? 3 : 2);
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(turned.data()), 6), expected[orientation - 1]);
  }
}

}  // namespace
}  // namespace pictrieve
