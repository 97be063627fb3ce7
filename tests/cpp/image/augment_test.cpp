#include "pictrieve/image/augment/augmentation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <random>
#include <vector>

#include "pictrieve/base/error.h"
#include "pictrieve/image/augment/colour.h"
#include "pictrieve/image/augment/disturb.h"
#include "pictrieve/image/augment/geometry.h"
#include "pictrieve/image/augment/mix.h"
#include "pictrieve/image/augment/windows.h"
#include "pictrieve/image/codec.h"
#include "pictrieve/image/pixels.h"

namespace pictrieve {
namespace {

Image noise(int height, int width) {
  std::mt19937 random(7);
  const Image image(height, width, 3);
  for (int64_t i = 0; i < height * image.row_stride(); ++i) image.data()[i] = static_cast<uint8_t>(random());
  return image;
}

std::vector<uint8_t> bytes_of(ImageView view) {
  const Image copy = to_rgb(view, AlphaPolicy::White);
  return {copy.data(), copy.data() + copy.height() * copy.row_stride()};
}

PreprocessOptions small() {
  PreprocessOptions options;
  options.steps = {ResizeStep{ResizeMode::Shortest, 24, 24, 0}, CropStep{20, 20, 0}};
  return options;
}

std::vector<AugmentStep> everything() {
  return {{RandomResizedCrop{}},
          {Flip{false}, 0.5},
          {Flip{true}, 0.5},
          {Rotate{{-20, 20}}, 0.5},
          {Affine{{-20, 20}, {-0.1, 0.1}, {-0.1, 0.1}, {0.9, 1.1}, {-5, 5}, {-5, 5}, {}}, 0.8},
          {ColourJitter{{0.5, 1.5}, {0.5, 1.5}, {0.5, 1.5}, {-0.1, 0.1}}, 0.8},
          {Greyscale{}, 0.2},
          {Blur{{0.1, 2}}, 0.5},
          {Jpeg{{30, 95}}, 0.5},
          {Noise{{0, 10}}, 0.5},
          {Solarise{{100, 200}}, 0.2},
          {Posterise{{4, 8}}, 0.2},
          {Erase{}, 0.5}};
}

// Known answers of the generator's authors.
TEST(Philox, GivesTheAuthorsNumbers) {
  using Words = std::array<uint32_t, 4>;
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const uint32_t ones = 0xffffffff;
  EXPECT_EQ(philox({ones, ones, ones, ones}, {ones, ones}), (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomStream, IsDocumented) {
  const uint64_t seed = 0x0123456789abcdef;
  const auto key = philox({5, 1, 3, 2 << 16 | 4}, {0x89abcdef, 0x01234567});
  RandomStream stream(seed, {(int64_t{1} << 32) + 5, 3, 2}, 4);
  for (uint32_t block = 0; block < 3; ++block) {
    const auto words = philox({block, 0, key[2], key[3]}, {key[0], key[1]});
    for (const int half : {0, 2}) {
      const uint64_t bits = (uint64_t{words[half]} << 32 | words[half + 1]) >> 11;
      EXPECT_EQ(stream.uniform(), static_cast<double>(bits) / 9007199254740992.0);
    }
  }
}

TEST(RandomStream, EveryPartOfTheAddressCounts) {
  std::vector<double> firsts;
  for (const uint64_t seed : {0, 1})
    for (const int64_t index : {0, 1})
      for (const uint32_t epoch : {0, 1})
        for (const uint16_t view : {0, 1})
          for (const uint16_t step : {0, 1}) firsts.push_back(RandomStream(seed, {index, epoch, view}, step).uniform());
  std::ranges::sort(firsts);
  EXPECT_EQ(std::ranges::adjacent_find(firsts), firsts.end());
}

TEST(RandomStream, NormalAndBetaNumbersHaveTheirMoments) {
  RandomStream random(3, {}, 0);
  std::vector<float> numbers(200'001);
  random.normals(numbers);
  double sum = 0, squares = 0, fourth = 0;
  for (const float x : numbers) sum += x, squares += x * x, fourth += std::pow(x, 4);
  const auto count = static_cast<double>(numbers.size());
  EXPECT_NEAR(sum / count, 0, 0.01);
  EXPECT_NEAR(squares / count, 1, 0.015);
  EXPECT_NEAR(fourth / count, 3, 0.1);
  for (const double shape : {0.2, 1.0, 4.0}) {
    double mean = 0, variance = 0;
    for (int i = 0; i < 20'000; ++i) {
      const double x = random.beta(shape);
      mean += x / 20'000, variance += (x - 0.5) * (x - 0.5) / 20'000;
    }
    EXPECT_NEAR(mean, 0.5, 0.01) << shape;
    EXPECT_NEAR(variance, 1 / (4 * (2 * shape + 1)), 0.005) << shape;
  }
}

TEST(Augmentation, NeitherThreadsNorOrderNorCompanyMatter) {
  const Preprocess served(small());
  const Augmentation augmentation(served, everything(), 11);
  ASSERT_TRUE(augmentation.fits_network());
  std::vector<Image> pictures;
  for (int i = 0; i < 12; ++i) pictures.push_back(noise(30 + 7 * i, 60 - 3 * i));
  std::vector<ImageSource> sources(pictures.begin(), pictures.end());
  std::vector<int64_t> indices(sources.size());
  std::iota(indices.begin(), indices.end(), 100);
  const int64_t values = served.values_per_image();
  const auto run = [&](const std::vector<ImageSource>& images, const std::vector<int64_t>& numbers, int views) {
    std::vector<float> out(views * images.size() * values);
    augmentation.run({images, numbers, 2, views}, out.data());
    return out;
  };
  const int before = num_threads();
  set_num_threads(1);
  const std::vector<float> expected = run(sources, indices, 2);
  set_num_threads(4);
  EXPECT_EQ(run(sources, indices, 2), expected);
  set_num_threads(before);
  for (size_t i = 0; i < sources.size(); ++i) {  // alone, and with one view
    const std::vector<float> one = run({sources[i]}, {indices[i]}, 1);
    EXPECT_EQ(std::memcmp(one.data(), expected.data() + i * values, one.size() * sizeof(float)), 0) << i;
  }
  EXPECT_NE(std::memcmp(expected.data(), expected.data() + sources.size() * values, values * sizeof(float)), 0);
}

TEST(Augmentation, ServedStepsAreThePreprocess) {
  const Preprocess served(small());
  const Image image = noise(50, 37);
  const std::vector<uint8_t> jpeg = encode_jpeg(noise(400, 300), 80);
  const std::vector<ImageSource> sources{image, std::span<const uint8_t>(jpeg)};
  const std::vector<int64_t> indices{0, 1};
  const Augmentation augmentation(served, {{AsServed{}}}, 0);
  std::vector<float> expected(2 * served.values_per_image()), actual(expected.size());
  preprocess_all(served, sources, expected.data());
  augmentation.run({sources, indices}, actual.data());
  EXPECT_EQ(actual, expected);
}

TEST(Augmentation, KnowsWhetherItEndsAtTheNetworksSize) {
  const auto fits = [](std::vector<AugmentStep> steps) {
    return Augmentation(Preprocess(small()), std::move(steps), 0).fits_network();
  };
  EXPECT_TRUE(fits({{AsServed{}}, {Flip{}, 0.5}}));
  EXPECT_TRUE(fits({{RandomResizedCrop{}}, {RandomCrop{4}, 0.5}}));
  EXPECT_TRUE(fits({{CentreCrop{0.5}}, {Fit{}}}));
  EXPECT_FALSE(fits({}));
  EXPECT_FALSE(fits({{RandomResizedCrop{}, 0.5}}));
  EXPECT_FALSE(fits({{Fit{FitMode::Pad, {20, 21}}}}));
  EXPECT_FALSE(fits({{AsServed{}}, {CentreCrop{0.5}, 0.5}}));
}

TEST(Augmentation, RefusesParametersOutOfRange) {
  const auto made = [](const AugmentStep& step) { Augmentation(Preprocess(small()), {step}, 0); };
  const double nan = std::nan("");
  EXPECT_THROW(made({Blur{{1, 0.5}}}), std::invalid_argument);
  EXPECT_THROW(made({Blur{{nan, nan}}}), std::invalid_argument);
  EXPECT_THROW(made({Jpeg{{0, 50}}}), std::invalid_argument);
  EXPECT_THROW(made({RandomResizedCrop{{0, 1}}}), std::invalid_argument);
  EXPECT_THROW(made({ColourJitter{{1, 1}, {1, 1}, {1, 1}, {0, 0.6}}}), std::invalid_argument);
  EXPECT_THROW(made({Flip{}, 1.1}), std::invalid_argument);
  EXPECT_THROW(made({Fit{FitMode::Crop, {20, 0}}}), std::invalid_argument);
}

TEST(Augmentation, FailuresAreZerosAndNamed) {
  const Augmentation augmentation(Preprocess(small()), {{AsServed{}}}, 0);
  const Image image = noise(30, 30);
  const std::vector<uint8_t> rubbish(50, 7);
  const std::vector<ImageSource> sources{image, std::span<const uint8_t>(rubbish), std::string("/nowhere/at all.jpg")};
  const std::vector<int64_t> indices{0, 1, 2};
  std::vector<float> out(3 * augmentation.served().values_per_image(), 1);
  const auto failures = augmentation.run({sources, indices, 0, 1, false}, out.data());
  ASSERT_EQ(failures.size(), 2U);
  EXPECT_EQ(failures[0].index, 1);
  EXPECT_NE(failures[1].reason.find("/nowhere/at all.jpg"), std::string::npos);
  EXPECT_EQ(out[augmentation.served().values_per_image()], 0);
  EXPECT_THROW(augmentation.run({{sources.data(), 2}, {indices.data(), 2}}, out.data()), DecodeError);
  EXPECT_THROW(augmentation.run({sources, {indices.data(), 2}}, out.data()), std::invalid_argument);
}

TEST(Windows, LieInsideWhateverTheShape) {
  for (const PixelSize size : {PixelSize{1, 1}, {1, 500}, {500, 1}, {2, 3}, {640, 480}})
    for (int64_t i = 0; i < 200; ++i) {
      RandomStream random(1, {i}, 0);
      const Window part = random_part(size, {0.08, 1}, {0.75, 4.0 / 3}, random);
      EXPECT_TRUE(part.height > 0 && part.width > 0 && part.top >= 0 && part.left >= 0);
      EXPECT_TRUE(part.top + part.height <= size.height && part.left + part.width <= size.width);
      const Window hole = random_hole(size, {0.02, 0.4}, {0.3, 3.3}, random);
      EXPECT_TRUE(hole.top + hole.height <= size.height && hole.left + hole.width <= size.width);
    }
}

TEST(Geometry, FlipsAndBorders) {
  Image image(2, 3, 3);
  for (int i = 0; i < 18; ++i) image.data()[i] = static_cast<uint8_t>(i / 3);
  const auto reds = [](const Image& from) {
    std::string text;
    for (int i = 0; i < from.height() * from.width(); ++i) text += static_cast<char>('0' + from.data()[3 * i]);
    return text;
  };
  flip_across(image);
  EXPECT_EQ(reds(image), "210543");
  flip_down(image);
  EXPECT_EQ(reds(image), "543210");
  EXPECT_EQ(reds(placed(image, 3, 4, 1, -1, {9, 9, 9})), "999943991099");
  EXPECT_EQ(reds(placed(image, 1, 2, 5, 5, {9, 9, 9})), "99");
  EXPECT_EQ(bytes_of(warped(image, affine_matrix({}, 2, 3), {})), bytes_of(image));
}

TEST(Blur, ReachesBeyondTinyPictures) {
  for (const auto& [height, width] : {std::pair{1, 1}, {1, 7}, {2, 2}, {3, 1}}) {
    const Image image(height, width, 3);
    std::memset(image.data(), 77, static_cast<size_t>(height * image.row_stride()));
    EXPECT_EQ(bytes_of(blurred(image, 9)), bytes_of(image));
  }
  const Image image = noise(5, 6);
  EXPECT_EQ(bytes_of(blurred(image, 0)), bytes_of(image));
}

TEST(Mix, PartnersFollowTheSetOfPicturesNotTheirOrder) {
  constexpr int64_t kCount = 7, kValues = 3 * 6 * 5;
  std::vector<float> pixels(kCount * kValues), out(pixels.size());
  std::iota(pixels.begin(), pixels.end(), 0.0F);
  std::vector<int64_t> indices{40, 2, 77, 5, 8, 13, 21}, partner(kCount);
  std::vector<float> weight(kCount);
  const MixLayout layout{6, 5, false};
  for (const MixKind kind : {MixKind::Mixup, MixKind::CutMix}) {
    const MixStep step{kind, 1, 1, 9, 0};
    mix(step, indices, layout, pixels.data(), out.data(), {partner, weight});
    std::vector<int64_t> sorted = partner;
    std::ranges::sort(sorted);
    for (int64_t i = 0; i < kCount; ++i) EXPECT_EQ(sorted[i], i);  // everybody is a partner once
    std::vector<int64_t> backwards(indices.rbegin(), indices.rend()), other(kCount);
    std::vector<float> turned(pixels.size()), mixed(pixels.size()), weights(kCount);
    for (int64_t i = 0; i < kCount; ++i)
      std::copy_n(pixels.data() + i * kValues, kValues, turned.data() + (kCount - 1 - i) * kValues);
    mix(step, backwards, layout, turned.data(), mixed.data(), {other, weights});
    for (int64_t i = 0; i < kCount; ++i) {
      EXPECT_EQ(other[kCount - 1 - i], kCount - 1 - partner[i]);
      EXPECT_EQ(weights[kCount - 1 - i], weight[i]);
      EXPECT_TRUE(std::equal(out.data() + i * kValues, out.data() + (i + 1) * kValues,
                             mixed.data() + (kCount - 1 - i) * kValues));
    }
  }
}

}  // namespace
}  // namespace pictrieve
