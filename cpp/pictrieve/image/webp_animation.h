// The first frame of an animated WebP, which OpenCV's decoder refuses.
#pragma once

#include <cstdint>
#include <span>

#include "pictrieve/base/image.h"
#include "pictrieve/image/header.h"

namespace pictrieve {

/// RGBA of the canvas with the first frame on it. Throws DecodeError.
Image decode_first_frame(std::span<const uint8_t> webp, const PictureHeader& header);

}  // namespace pictrieve
