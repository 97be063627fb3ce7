// Encoded pictures to pixels and back.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "pictrieve/base/image.h"
#include "pictrieve/image/pixels.h"

namespace pictrieve {

struct DecodeOptions {
  bool apply_exif = true;                  ///< turn the picture upright as its EXIF orientation says
  AlphaPolicy alpha = AlphaPolicy::White;  ///< what happens to transparent pixels
  int64_t max_pixels = 178'956'970;        ///< larger pictures are refused unread; Pillow raises at the same number
  int target_short_side = 0;  ///< JPEG: decode at 1/2, 1/4 or 1/8 while the short side stays >= twice this; 0: in full
};

/// What the header says; the pixels stay unread.
struct ImageInfo {
  std::string format;  ///< "JPEG", "PNG", "GIF", "WebP", "TIFF", "BMP" or "PNM"
  int width = 0;       ///< upright, that is after `orientation` was applied
  int height = 0;
  int orientation = 1;  ///< EXIF orientation 1 .. 8 as stored
};

/// Decodes to RGB uint8 (height, width, 3). The format is told by the bytes: JPEG, PNG, GIF, WebP, TIFF, BMP or PNM;
/// of an animation the first frame. 16-bit samples keep their high byte, as in Pillow; CMYK is converted as in Pillow;
/// colour profiles and the alpha of grey TIFFs are ignored. Throws DecodeError for other formats, for damaged and
/// truncated data (never a partly grey picture) and for pictures of more than `max_pixels`, which are refused before
/// anything is allocated. Thread-safe; runs on the calling thread only.
Image decode(std::span<const uint8_t> bytes, const DecodeOptions& options = {});

/// Format and upright size from the header. Throws DecodeError.
ImageInfo probe(std::span<const uint8_t> bytes);

/// Baseline JPEG, 4:2:0, of a grey, RGB or RGBA (composed on white) picture. Quality 1 .. 100.
std::vector<uint8_t> encode_jpeg(ImageView image, int quality);

/// Lossless 8-bit PNG of a grey, RGB or RGBA picture.
std::vector<uint8_t> encode_png(ImageView image);

}  // namespace pictrieve
