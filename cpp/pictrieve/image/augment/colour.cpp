#include "pictrieve/image/augment/colour.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

namespace pictrieve {
namespace {

using Levels = std::array<uint8_t, 256>;

int64_t bytes_of(const Image& image) { return image.height() * image.row_stride(); }

/// ITU-R 601 in 16 bits, Pillow's numbers.
int grey_of(const uint8_t* pixel) { return (pixel[0] * 19595 + pixel[1] * 38470 + pixel[2] * 7471 + 0x8000) >> 16; }

/// From `ground` through `level` and beyond, cut off as in Pillow.
uint8_t blended(int ground, int level, float factor) {
  const float value = static_cast<float>(ground) + factor * static_cast<float>(level - ground);
  return static_cast<uint8_t>(std::clamp(value, 0.0F, 255.0F));
}

void replace(const Image& image, const Levels& levels) {
  uint8_t* data = image.data();
  for (int64_t i = 0; i < bytes_of(image); ++i) data[i] = levels[data[i]];
}

void blend_with(const Image& image, int ground, float factor) {
  Levels levels{};
  for (int level = 0; level < 256; ++level) levels[level] = blended(ground, level, factor);
  replace(image, levels);
}

int mean_grey(const Image& image) {
  int64_t sum = 0;
  const uint8_t* pixel = image.data();
  for (int64_t i = 0; i < bytes_of(image); i += 3) sum += grey_of(pixel + i);
  const double pixels = static_cast<double>(bytes_of(image)) / 3;
  return static_cast<int>(static_cast<double>(sum) / pixels + 0.5);
}

/// Rows of colours apart, so that the arithmetic of many pixels can be done at once.
struct Planes {
  explicit Planes(size_t width)
      : colours{std::vector<float>(width), std::vector<float>(width), std::vector<float>(width)} {}
  std::array<std::vector<float>, 3> colours;
};

/// One colour of a hue in sixths of the circle: `most` less `spread` times a trapezoid that is shifted for each colour.
float colour_at(float sixths, float most, float spread) {
  const float wrapped = sixths >= 6 ? sixths - 6 : sixths;
  const float slope = std::min(wrapped, 4 - wrapped);
  return most - spread * std::min(std::max(slope, 0.0F), 1.0F);
}

/// `shift` in sixths of the circle, 0 .. 6.
void turn_hues(float* red, float* green, float* blue, int width, float shift) {
  for (int x = 0; x < width; ++x) {
    const float r = red[x], g = green[x], b = blue[x];
    const float most = std::max(r, std::max(g, b)), spread = most - std::min(r, std::min(g, b));
    const float share = 1 / (spread > 0 ? spread : 1.0F);
    const float from_red = (g - b) * share, from_green = (b - r) * share + 2, from_blue = (r - g) * share + 4;
    float hue = most == r ? from_red : most == g ? from_green : from_blue;
    hue += shift;
    hue = hue < 0 ? hue + 6 : hue;
    hue = hue >= 6 ? hue - 6 : hue;
    red[x] = colour_at(hue + 5, most, spread);
    green[x] = colour_at(hue + 3, most, spread);
    blue[x] = colour_at(hue + 1, most, spread);
  }
}

}  // namespace

void adjust_brightness(const Image& image, float factor) { blend_with(image, 0, factor); }

void adjust_contrast(const Image& image, float factor) { blend_with(image, mean_grey(image), factor); }

void adjust_saturation(const Image& image, float factor) {
  uint8_t* pixel = image.data();
  for (const uint8_t* end = pixel + bytes_of(image); pixel < end; pixel += 3) {
    const int grey = grey_of(pixel);
    for (int c = 0; c < 3; ++c) pixel[c] = blended(grey, pixel[c], factor);
  }
}

void adjust_hue(const Image& image, float shift) {
  const float sixths = 6 * (shift - std::floor(shift));
  Planes planes(static_cast<size_t>(image.width()));
  for (int y = 0; y < image.height(); ++y) {
    uint8_t* row = image.row(y);
    for (size_t c = 0; c < 3; ++c)
      for (int x = 0; x < image.width(); ++x) planes.colours[c][x] = row[3 * x + static_cast<int>(c)];
    turn_hues(planes.colours[0].data(), planes.colours[1].data(), planes.colours[2].data(), image.width(), sixths);
    for (size_t c = 0; c < 3; ++c)
      for (int x = 0; x < image.width(); ++x)
        row[3 * x + static_cast<int>(c)] = static_cast<uint8_t>(static_cast<int>(planes.colours[c][x] + 0.5F));
  }
}

void make_grey(const Image& image) {
  uint8_t* pixel = image.data();
  for (const uint8_t* end = pixel + bytes_of(image); pixel < end; pixel += 3) std::memset(pixel, grey_of(pixel), 3);
}

void solarise(const Image& image, double threshold) {
  Levels levels{};
  for (int level = 0; level < 256; ++level)
    levels[level] = static_cast<uint8_t>(level >= threshold ? 255 - level : level);
  replace(image, levels);
}

void posterise(const Image& image, int bits) {
  Levels levels{};
  for (int level = 0; level < 256; ++level) levels[level] = static_cast<uint8_t>(level & ~((1 << (8 - bits)) - 1));
  replace(image, levels);
}

}  // namespace pictrieve
