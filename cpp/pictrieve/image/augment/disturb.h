// Operations that spoil a picture as the world does: out of focus, noisy, stored badly, half hidden. On RGB.
#pragma once

#include "pictrieve/base/image.h"
#include "pictrieve/image/augment/random.h"
#include "pictrieve/image/resize.h"

namespace pictrieve {

/// Gaussian blur with weights up to int(4 sigma + 0.5) pixels away, mirrored at the edges without repeating them, as
/// scipy.ndimage.gaussian_filter(mode="mirror"); torchvision's gaussian_blur with a kernel of that size.
Image blurred(ImageView image, double sigma);

/// Adds normal noise to each level.
void add_noise(const Image& image, double deviation, RandomStream& random);

/// Random levels inside a window.
void fill_with_noise(const Image& image, const Window& window, RandomStream& random);

}  // namespace pictrieve
