// What the first bytes of a file say, read before any decoder sees it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace pictrieve {

enum class PictureFormat { Jpeg, Png, Gif, WebP, Tiff, Bmp, Pnm };

std::string_view name_of(PictureFormat format);

/// Size as stored, before orientation. Width and height are whatever the file claims, at least 1.
struct PictureHeader {
  PictureFormat format = PictureFormat::Jpeg;
  int64_t width = 0;
  int64_t height = 0;
  int orientation = 1;
  bool animated = false;  ///< told for WebP only, whose decoder wants single frames
};

/// Throws DecodeError for formats that are not supported (and names them where it knows them) and for truncated
/// headers.
PictureHeader read_header(std::span<const uint8_t> bytes);

}  // namespace pictrieve
