#include "pictrieve/image/pixels.h"

#include <algorithm>
#include <cstring>

#include "pictrieve/base/error.h"
#include "pictrieve/base/names.h"

namespace pictrieve {
namespace {

constexpr std::pair<std::string_view, AlphaPolicy> kAlphaNames[] = {
    {"white", AlphaPolicy::White}, {"black", AlphaPolicy::Black}, {"drop", AlphaPolicy::Drop}};

/// round((colour * alpha + ground * (255 - alpha)) / 255), without a division.
uint8_t blend(int colour, int alpha, int ground) {
  const int sum = colour * alpha + ground * (255 - alpha) + 128;
  return static_cast<uint8_t>(((sum >> 8) + sum) >> 8);
}

void grey_row(const uint8_t* from, int width, uint8_t* to) {
  for (int x = 0; x < width; ++x) std::memset(to + 3 * x, from[x], 3);
}

void rgba_row(const uint8_t* from, int width, AlphaPolicy policy, uint8_t* to) {
  const int ground = policy == AlphaPolicy::White ? 255 : 0;
  for (int x = 0; x < width; ++x) {
    const int alpha = policy == AlphaPolicy::Drop ? 255 : from[4 * x + 3];
    for (int c = 0; c < 3; ++c) to[3 * x + c] = blend(from[4 * x + c], alpha, ground);
  }
}

}  // namespace

std::string_view name_of(AlphaPolicy alpha) { return kAlphaNames[static_cast<size_t>(alpha)].first; }

AlphaPolicy alpha_policy_named(std::string_view name) { return value_named("alpha", name, kAlphaNames); }

Image to_rgb(ImageView image, AlphaPolicy alpha) {
  require(image.channels == 1 || image.channels == 3 || image.channels == 4,
          "picture: expected 1 (grey), 3 (RGB) or 4 (RGBA) channels, got ", image.channels);
  Image rgb(image.height, image.width, 3);
  for (int y = 0; y < image.height; ++y) {
    if (image.channels == 1) grey_row(image.row(y), image.width, rgb.row(y));
    if (image.channels == 3) std::memcpy(rgb.row(y), image.row(y), size_t{3} * image.width);
    if (image.channels == 4) rgba_row(image.row(y), image.width, alpha, rgb.row(y));
  }
  return rgb;
}

ImageView crop_view(ImageView image, int top, int left, int height, int width) {
  require(
      top >= 0 && left >= 0 && height >= 0 && width >= 0 && top <= image.height - height && left <= image.width - width,
      "crop: expected a window inside the picture of ", image.height, " x ", image.width, ", got ", height, " x ",
      width, " at row ", top, ", column ", left);
  return {image.row(top) + int64_t{left} * image.channels, height, width, image.channels, image.row_stride};
}

Image upright(const Image& image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  const int height = image.height(), width = image.width(), channels = image.channels();
  const bool transposed = orientation >= 5;
  const bool from_bottom = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  Image turned(transposed ? width : height, transposed ? height : width, channels);
  // Blocks keep the rows that are read and the rows that are written in cache when one of them runs down columns.
  constexpr int kBlock = 32;
  const auto turn_block = [&](int top, int left) {
    for (int y = top; y < std::min(top + kBlock, turned.height()); ++y) {
      uint8_t* to = turned.row(y) + int64_t{left} * channels;
      for (int x = left; x < std::min(left + kBlock, turned.width()); ++x, to += channels) {
        const int across = transposed ? y : x, down = transposed ? x : y;
        const int source_x = (transposed ? from_bottom : from_right) ? width - 1 - across : across;
        const int source_y = (transposed ? from_right : from_bottom) ? height - 1 - down : down;
        const uint8_t* from = image.row(source_y) + int64_t{source_x} * channels;
        for (int c = 0; c < channels; ++c) to[c] = from[c];
      }
    }
  };
  for (int top = 0; top < turned.height(); top += kBlock)
    for (int left = 0; left < turned.width(); left += kBlock) turn_block(top, left);
  return turned;
}

}  // namespace pictrieve
