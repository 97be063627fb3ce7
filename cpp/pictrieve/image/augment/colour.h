// Operations that change levels, in place, on RGB.
#pragma once

#include "pictrieve/base/image.h"

namespace pictrieve {

// Brightness, contrast, saturation and grey have the bytes of Pillow's ImageEnhance and convert("L"), which torchvision
// uses. A factor of 1 changes nothing.
void adjust_brightness(const Image& image, float factor);
void adjust_contrast(const Image& image, float factor);
void adjust_saturation(const Image& image, float factor);
/// Moves the hue by `shift` of the colour circle, in floating point as torchvision does it with tensors (with Pillow's
/// images it goes through hues of 8 bits).
void adjust_hue(const Image& image, float shift);
void make_grey(const Image& image);
void solarise(const Image& image, double threshold);
void posterise(const Image& image, int bits);

}  // namespace pictrieve
