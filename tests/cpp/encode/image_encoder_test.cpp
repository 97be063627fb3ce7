#include "pictrieve/encode/image_encoder.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "pictrieve/base/error.h"
#include "pictrieve/base/linalg.h"
#include "pictrieve/nn/network_config.h"

namespace pictrieve {
namespace {

Image picture(int seed) {
  Image image(40, 50, 3);
  for (int64_t i = 0; i < image.row_stride() * image.height(); ++i)
    image.data()[i] = static_cast<uint8_t>((i * 31 + seed * 97) % 251);
  return image;
}

ImageEncoder encoder() {
  static const std::shared_ptr<const ImageNetwork> network = ImageNetwork::load_random("efficientnet_lite0", {}, 5);
  PreprocessOptions options;
  options.steps = {ResizeStep{ResizeMode::Stretch, 64, 64}};
  return ImageEncoder(network, {{Preprocess(options)}});
}

std::vector<Image> pictures(int count) {
  std::vector<Image> images;
  for (int i = 0; i < count; ++i) images.push_back(picture(i));
  return images;
}

TEST(ImageEncoder, GivesEachPictureItsOwnRow) {
  const ImageEncoder network = encoder();
  const auto images = pictures(19);
  const std::vector<ImageSource> sources(images.begin(), images.end());
  const Matrix<float> rows(19, network.dim());
  EXPECT_TRUE(network.encode(sources, {}, {.features = rows}).empty());
  for (int64_t i : {0, 7, 18}) {
    const Matrix<float> alone(1, network.dim());
    network.encode(std::span(sources).subspan(static_cast<size_t>(i), 1), {}, {.features = alone});
    EXPECT_NEAR(dot(alone.row(0), rows.row(i), network.dim()), 1.0F, 1e-5);
  }
}

TEST(ImageEncoder, GivesFeaturesAndProbabilitiesInOnePass) {
  const ImageEncoder network = encoder();
  const auto images = pictures(3);
  const std::vector<ImageSource> sources(images.begin(), images.end());
  const Matrix<float> features(3, network.dim()), probabilities(3, network.classes()), alone(3, network.classes());
  network.encode(sources, {}, {features, probabilities});
  network.encode(sources, {}, {.probabilities = alone});
  for (int64_t i = 0; i < 3; ++i) {
    const auto row = probabilities.view().row_span(i);
    EXPECT_NEAR(std::accumulate(row.begin(), row.end(), 0.0), 1.0, 1e-5);
    EXPECT_NEAR(alone.row(i)[17], row[17], 1e-7);
  }
}

TEST(ImageEncoder, LeavesUnreadablePicturesOutOrThrows) {
  const ImageEncoder network = encoder();
  const auto images = pictures(6);
  std::vector<ImageSource> sources(images.begin(), images.end());
  const std::vector<uint8_t> text{'<', 'h', 't', 'm', 'l', '>'};
  sources[2] = std::span<const uint8_t>(text);
  sources[4] = std::string("/nowhere/absent.jpg");
  const Matrix<float> rows(6, network.dim()), whole(6, network.dim());
  const auto failures = network.encode(sources, {.stop_at_failure = false}, {.features = rows});
  ASSERT_EQ(failures.size(), 2U);
  EXPECT_EQ(failures[0].index, 2);
  EXPECT_EQ(failures[1].index, 4);
  EXPECT_NE(failures[1].reason.find("absent.jpg"), std::string::npos);
  EXPECT_EQ(dot(rows.row(2), rows.row(2), network.dim()), 0.0F);
  const std::vector<ImageSource> readable(images.begin(), images.end());
  network.encode(readable, {}, {.features = whole});
  for (int64_t i : {0, 1, 3, 5}) EXPECT_NEAR(dot(whole.row(i), rows.row(i), network.dim()), 1.0F, 1e-5);
  EXPECT_THROW(network.encode(std::span(sources).first(3), {}, {.features = rows.view().slice(0, 3)}), DecodeError);
  EXPECT_THROW(network.encode(std::span(sources).subspan(3), {}, {.features = rows.view().slice(3, 6)}), FileError);
}

TEST(ImageEncoder, RefusesRowsOfTheWrongShape) {
  const ImageEncoder network = encoder();
  const auto images = pictures(2);
  const std::vector<ImageSource> sources(images.begin(), images.end());
  EXPECT_THROW(network.encode(sources, {}, {.features = Matrix<float>(3, network.dim())}), std::invalid_argument);
  EXPECT_THROW(network.encode(sources, {}, {.features = Matrix<float>(2, 7)}), std::invalid_argument);
}

}  // namespace
}  // namespace pictrieve
