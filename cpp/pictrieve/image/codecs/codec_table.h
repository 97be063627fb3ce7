// The door between the image layer and the library of decoders, which is loaded when the first picture is decoded: its
// dependencies (OpenCV's, about 140 libraries) would otherwise be paid for by every start.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "pictrieve/base/image.h"
#include "pictrieve/image/header.h"

namespace pictrieve {

/// Decoders give 1, 3 or 4 channels in the order R, G, B, A, as stored (no orientation), or throw DecodeError.
struct CodecTable {
  Image (*decode_jpeg)(std::span<const uint8_t> bytes, int reduction);  ///< reduction: 1, 2, 4 or 8
  Image (*decode_png)(std::span<const uint8_t> bytes);
  /// The first frame may be larger than the picture, so it is bounded by itself.
  Image (*decode_gif)(std::span<const uint8_t> bytes, int64_t max_pixels);
  Image (*decode_other)(std::span<const uint8_t> bytes, PictureFormat format);  ///< WebP, TIFF, BMP, PNM
  std::vector<uint8_t> (*encode_jpeg)(ImageView image, int quality);
  std::vector<uint8_t> (*encode_png)(ImageView image);
};

}  // namespace pictrieve

extern "C" const pictrieve::CodecTable* pictrieve_codec_table();
