// The decoders of this library; codec_table.h says what each promises.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "pictrieve/base/image.h"
#include "pictrieve/image/header.h"

namespace pictrieve::codecs {

Image decode_jpeg(std::span<const uint8_t> bytes, int reduction);
Image decode_png(std::span<const uint8_t> bytes);
Image decode_gif(std::span<const uint8_t> bytes, int64_t max_pixels);
Image decode_other(std::span<const uint8_t> bytes, PictureFormat format);
std::vector<uint8_t> encode_jpeg(ImageView image, int quality);
std::vector<uint8_t> encode_png(ImageView image);

}  // namespace pictrieve::codecs
