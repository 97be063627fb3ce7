#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "pictrieve/base/error.h"
#include "pictrieve/image/codec.h"
#include "pictrieve/image/preprocess.h"
#include "pictrieve/image/preprocess_steps.h"
#include "pictrieve/image/source.h"

namespace pictrieve {
namespace {

std::string path_of(const std::string& name) { return std::string(TEST_DATA_DIR) + "/images/" + name; }

std::vector<uint8_t> file(const std::string& name) { return read_file(path_of(name)); }

/// The formula of tests/data/regenerate_images.py.
int expected(int y, int x, int c) { return c == 0 ? x * 8 : c == 1 ? y * 10 : x * y % 256; }

TEST(Decode, LosslessFormatsGiveTheExactPixels) {
  for (const char* name : {"plain.png", "lossless.webp"}) {
    const Image image = decode(file(name));
    ASSERT_EQ(image.height(), 24);
    ASSERT_EQ(image.width(), 32);
    for (int y = 0; y < 24; ++y)
      for (int x = 0; x < 32; ++x)
        for (int c = 0; c < 3; ++c) ASSERT_EQ(image.row(y)[3 * x + c], expected(y, x, c)) << name;
  }
}

TEST(Decode, OrientationTurnsThePicture) {
  const ImageInfo info = probe(file("turned.jpg"));
  EXPECT_EQ(info.format, "JPEG");
  EXPECT_EQ(info.width, 24);
  EXPECT_EQ(info.height, 32);
  EXPECT_EQ(info.orientation, 6);
  EXPECT_EQ(decode(file("turned.jpg")).height(), 32);
  EXPECT_EQ(decode(file("turned.jpg"), {.apply_exif = false}).height(), 24);
}

TEST(Decode, EveryPrefixIsAnErrorOrAPicture) {
  for (const char* name : {"plain.png", "turned.jpg", "palette.gif", "lossless.webp"}) {
    const std::vector<uint8_t> bytes = file(name);
    for (size_t length = 0; length < bytes.size(); ++length) {
      const std::vector<uint8_t> prefix(bytes.begin(), bytes.begin() + static_cast<int64_t>(length));
      try {
        EXPECT_EQ(decode(prefix).channels(), 3);
      } catch (const DecodeError&) {  // the only kind that may leave
      }
    }
  }
}

TEST(Decode, ScaledJpegKeepsTwiceTheTarget) {
  const Image large(400, 600, 3);
  std::fill(large.data(), large.data() + 400 * 600 * 3, uint8_t{90});
  const std::vector<uint8_t> jpeg = encode_jpeg(large, 90);
  for (const auto& [target, height] : {std::pair{0, 400}, {201, 400}, {100, 200}, {50, 100}, {25, 50}, {1, 50}})
    EXPECT_EQ(decode(jpeg, {.target_short_side = target}).height(), height) << target;
}

TEST(Decode, FirstCallsMayComeFromManyThreads) {
  const std::vector<uint8_t> bytes = file("plain.png");
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) threads.emplace_back([&] { EXPECT_EQ(decode(bytes).width(), 32); });
  for (std::thread& thread : threads) thread.join();
}

TEST(ReadFile, SaysWhatIsWrong) {
  EXPECT_THROW(read_file(path_of("missing.png")), FileError);
  EXPECT_THROW(read_file(TEST_DATA_DIR), FileError);
}

TEST(Preprocess, NeedsNoMorePixelsThanAnIntegerCounts) {
  const PreprocessStep steps[] = {CropStep{0, 0, 1e-300}, ResizeStep{ResizeMode::Stretch, 224, 224}};
  EXPECT_EQ(needed_short_side(steps), 1'000'000'000);
}

TEST(Preprocess, SourcesOfAllKindsAgree) {
  const Preprocess preprocess(PreprocessOptions{.scaled_decode = false});
  const std::vector<uint8_t> bytes = file("plain.png");
  const Image pixels = decode(bytes);
  const std::vector<ImageSource> sources{path_of("plain.png"), std::span<const uint8_t>(bytes), ImageView(pixels)};
  std::vector<float> out(3 * preprocess.values_per_image());
  preprocess_all(preprocess, sources, out.data());
  const auto size = preprocess.values_per_image();
  EXPECT_TRUE(std::equal(out.begin(), out.begin() + 2 * size, out.begin() + size));
}

}  // namespace
}  // namespace pictrieve
