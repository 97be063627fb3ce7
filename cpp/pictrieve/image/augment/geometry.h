// Operations that move pixels, on RGB.
#pragma once

#include <array>

#include "pictrieve/base/image.h"
#include "pictrieve/image/augment/steps.h"

namespace pictrieve {

/// Mirrors in place.
void flip_across(const Image& image);
void flip_down(const Image& image);

/// `image` with its corner at (top, left) of a canvas, which may lie outside of it; the rest is `fill`.
Image placed(ImageView image, int height, int width, int top, int left, const Colour& fill);

/// Where an output pixel comes from: x' = m[0] x + m[1] y + m[2], y' = m[3] x + m[4] y + m[5], of pixel centres at
/// halves.
using AffineMatrix = std::array<double, 6>;

/// What an Affine step drew.
struct AffineMove {
  double degrees = 0;
  double shift_x = 0;  ///< pixels
  double shift_y = 0;
  double scale = 1;
  double shear_x = 0;  ///< degrees
  double shear_y = 0;
};

/// The matrix of Pillow's `Image.rotate`: against the clock, about the middle.
AffineMatrix rotation_matrix(double degrees, int height, int width);

/// The matrix of torchvision's `affine` for a picture of this size, whose angle counts with the clock.
AffineMatrix affine_matrix(const AffineMove& move, int height, int width);

/// Bilinear, in the size of the picture: Pillow's `Image.transform(size, AFFINE, matrix, BILINEAR, fillcolor=fill)`.
Image warped(ImageView image, const AffineMatrix& matrix, const Colour& fill);

}  // namespace pictrieve
