#include "pictrieve/image/augment/geometry.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

namespace pictrieve {
namespace {

double radians(double degrees) { return degrees * std::numbers::pi / 180; }

/// As Pillow rounds: the cosine of a right angle is 0, which decides whether the pixels of an edge are inside.
double rounded(double value) { return std::nearbyint(value * 1e15) / 1e15; }

/// The map whose fixed point is the centre, after a move by (shift_x, shift_y).
AffineMatrix about_centre(AffineMatrix m, double centre_x, double centre_y, double shift_x, double shift_y) {
  m[2] = m[0] * (-centre_x - shift_x) + m[1] * (-centre_y - shift_y) + centre_x;
  m[5] = m[3] * (-centre_x - shift_x) + m[4] * (-centre_y - shift_y) + centre_y;
  return m;
}

/// Between `left` and `right`, `part` of the way.
double between(double left, double right, double part) { return left + (right - left) * part; }

/// The pixel at (x, y), which is inside the picture; the pixels of the edge are repeated. Cut off as in Pillow.
void sample(ImageView image, double x, double y, uint8_t* to) {
  x -= 0.5;
  y -= 0.5;
  const int left = static_cast<int>(std::floor(x)), top = static_cast<int>(std::floor(y));
  const double across = x - left, down = y - top;
  const uint8_t* upper = image.row(std::max(top, 0));
  const uint8_t* lower = image.row(std::min(top + 1, image.height - 1));
  const int64_t first = int64_t{3} * std::max(left, 0), second = int64_t{3} * std::min(left + 1, image.width - 1);
  for (int c = 0; c < 3; ++c) {
    const double above = between(upper[first + c], upper[second + c], across);
    const double below = between(lower[first + c], lower[second + c], across);
    to[c] = static_cast<uint8_t>(between(above, below, down));
  }
}

void fill_row(uint8_t* to, int count, const Colour& fill) {
  for (int x = 0; x < count; ++x) std::memcpy(to + 3 * x, fill.data(), 3);
}

}  // namespace

void flip_across(const Image& image) {
  for (int y = 0; y < image.height(); ++y) {
    uint8_t* left = image.row(y);
    uint8_t* right = left + image.row_stride() - 3;
    for (; left < right; left += 3, right -= 3) std::swap_ranges(left, left + 3, right);
  }
}

void flip_down(const Image& image) {
  for (int y = 0; y < image.height() / 2; ++y)
    std::swap_ranges(image.row(y), image.row(y) + image.row_stride(), image.row(image.height() - 1 - y));
}

Image placed(ImageView image, int height, int width, int top, int left, const Colour& fill) {
  Image canvas(height, width, 3);
  const int first = std::clamp(left, 0, width), last = std::clamp(left + image.width, first, width);
  for (int y = 0; y < height; ++y) {
    uint8_t* to = canvas.row(y);
    const int source = y - top;
    if (source < 0 || source >= image.height) {
      fill_row(to, width, fill);
      continue;
    }
    fill_row(to, first, fill);
    if (last > first)
      std::memcpy(to + 3 * first, image.row(source) + int64_t{3} * (first - left), size_t(3) * (last - first));
    fill_row(to + 3 * last, width - last, fill);
  }
  return canvas;
}

AffineMatrix rotation_matrix(double degrees, int height, int width) {
  const double turn = -radians(degrees - 360 * std::floor(degrees / 360));
  const double cosine = rounded(std::cos(turn)), sine = rounded(std::sin(turn));
  return about_centre({cosine, sine, 0, -sine, cosine, 0}, width * 0.5, height * 0.5, 0, 0);
}

AffineMatrix affine_matrix(const AffineMove& move, int height, int width) {
  const double turn = radians(-move.degrees), sx = radians(move.shear_x), sy = radians(move.shear_y);
  const double a = std::cos(turn - sy) / std::cos(sy);
  const double b = -std::cos(turn - sy) * std::tan(sx) / std::cos(sy) - std::sin(turn);
  const double c = std::sin(turn - sy) / std::cos(sy);
  const double d = -std::sin(turn - sy) * std::tan(sx) / std::cos(sy) + std::cos(turn);
  const double scale = move.scale;
  return about_centre({d / scale, -b / scale, 0, -c / scale, a / scale, 0}, width * 0.5, height * 0.5, move.shift_x,
                      move.shift_y);
}

Image warped(ImageView image, const AffineMatrix& m, const Colour& fill) {
  Image out(image.height, image.width, 3);
  for (int i = 0; i < out.height(); ++i) {
    uint8_t* to = out.row(i);
    const double row = i + 0.5;
    for (int j = 0; j < out.width(); ++j, to += 3) {
      const double column = j + 0.5;  // summed up in Pillow's order, whose rounding decides the last level
      const double x = m[0] * column + m[1] * row + m[2], y = m[3] * column + m[4] * row + m[5];
      if (x >= 0 && x < image.width && y >= 0 && y < image.height)
        sample(image, x, y, to);
      else
        std::memcpy(to, fill.data(), 3);
    }
  }
  return out;
}

}  // namespace pictrieve
