// Antialiased resampling that gives Pillow's bytes.
#pragma once

#include <string_view>

#include "pictrieve/base/image.h"

namespace pictrieve {

enum class Interpolation { Nearest, Box, Bilinear, Bicubic, Lanczos };

/// "nearest", "box", "bilinear", "bicubic", "lanczos".
std::string_view name_of(Interpolation interpolation);
Interpolation interpolation_named(std::string_view name);

/// Part of a picture, in pixels.
struct Window {
  int top = 0;
  int left = 0;
  int height = 0;
  int width = 0;
};

/// Equal byte for byte to Pillow 13's Image.resize((width, height), filter) of modes L, RGB and RGBA (1, 3 and 4
/// channels; RGBA is resampled premultiplied, as there). The filter is widened when shrinking. To resize a part of the
/// source, pass its `crop_view`: that is Pillow's crop followed by resize. Runs on the calling thread only.
Image resize(ImageView source, int height, int width, Interpolation interpolation);

/// `resize` followed by a crop to `window`, without computing what is cropped away: the same bytes.
Image resize_window(ImageView source, int height, int width, Interpolation interpolation, const Window& window);

/// Resampling without antialias: the filter keeps its 2 (bilinear) or 4 (bicubic, a = -0.75) taps when shrinking, pixel
/// centres at half steps, edges repeated: within one level of OpenCV's INTER_LINEAR and INTER_CUBIC. Bilinear and
/// bicubic only.
Image resize_sharp(ImageView source, int height, int width, Interpolation interpolation, const Window& window);

}  // namespace pictrieve
