// Pictures as the detector's network wants them: normalised floats of a common scale.
#pragma once

#include "pictrieve/base/image.h"
#include "pictrieve/base/matrix.h"

namespace pictrieve {

struct ScaledPicture {
  Matrix<float> pixels{};  ///< (3, padded_height * padded_width), zeros beyond the picture
  int height = 0;          ///< of the scaled picture
  int width = 0;
  int padded_height = 0;  ///< multiples of 32
  int padded_width = 0;
};

/// Scales so that the shorter side becomes `short_side`, unless the longer one would pass `long_side`: bilinear between
/// the four nearest pixels, pixel centres on pixel centres, after normalising with ImageNet's mean and deviation.
ScaledPicture scaled_picture(ImageView image, int short_side, int long_side);

}  // namespace pictrieve
