#include "pictrieve/detect/detector.h"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <thread>

#include "pictrieve/nn/network_config.h"

namespace pictrieve {
namespace {

constexpr DetectorOptions kSmall{.least_score = 0, .most_detections = 20, .short_side = 48, .long_side = 96};

Image picture(int height, int width) {
  Image image(height, width, 3);
  for (int64_t i = 0; i < image.row_stride() * height; ++i) image.data()[i] = static_cast<uint8_t>(i * 31 % 251);
  return image;
}

/// Norms that all but silence the network: no class is certain, so that there is something to find.
const std::shared_ptr<const DetectorNetwork>& network() {
  static const std::shared_ptr<const DetectorNetwork> made =
      DetectorNetwork::load_random({{"num_classes", 4}, {"batch_norm_eps", 1e6}}, 7);
  return made;
}

const Detector& detector() {
  static const Detector made(network(), kSmall);
  return made;
}

TEST(Detector, KeepsItsBoxesInPicturesOfAnySize) {
  for (const auto& [height, width] : {std::pair{60, 80}, {1, 1}, {1, 5000}, {3000, 2}, {37, 33}}) {
    const std::vector<Detection> found = detector().detect(picture(height, width));
    EXPECT_LE(found.size(), 20U);
    for (size_t i = 0; i < found.size(); ++i) {
      const auto& [box, label, score] = found[i];
      EXPECT_TRUE(box.x1 >= 0 && box.y1 >= 0 && box.width() > 0 && box.height() > 0) << height << " x " << width;
      EXPECT_TRUE(box.x2 <= 1.0001F * static_cast<float>(width) && box.y2 <= 1.0001F * static_cast<float>(height));
      EXPECT_TRUE(label >= 1 && label < 4);
      EXPECT_TRUE(score > 0 && score <= 1 && (i == 0 || score <= found[i - 1].score));
    }
  }
}

TEST(Detector, FindsTheSameOnManyThreads) {
  const std::vector<Detection> expected = detector().detect(picture(60, 80));
  ASSERT_FALSE(expected.empty());
  std::vector<std::vector<Detection>> found(4);
  {
    std::vector<std::jthread> threads;
    for (auto& one : found) threads.emplace_back([&one] { one = detector().detect(picture(60, 80)); });
  }
  for (const auto& one : found) {
    ASSERT_EQ(one.size(), expected.size());
    for (size_t i = 0; i < one.size(); ++i) EXPECT_EQ(one[i].score, expected[i].score);
  }
}

TEST(Detector, RefusesSizesThatMakeNoPicture) {
  const auto make = [](DetectorOptions options) { return Detector(network(), options); };
  EXPECT_THROW(make({.short_side = 31}), std::invalid_argument);
  EXPECT_THROW(make({.short_side = 100, .long_side = 99}), std::invalid_argument);
  EXPECT_THROW(make({.long_side = 1 << 30}), std::invalid_argument);
  EXPECT_THROW(make({.most_detections = 0}), std::invalid_argument);
  EXPECT_THROW(detector().detect(ImageView{}), std::invalid_argument);
}

}  // namespace
}  // namespace pictrieve
