// The one thing that decoding needs from EXIF: which way is up.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace pictrieve {

/// A number in the first directory of a TIFF structure (which EXIF is, too).
struct TiffField {
  uint64_t offset;  ///< of the value, from the start of the structure
  uint32_t value;
  bool is_short;  ///< stored in 2 bytes, else in 4
  bool big_endian;
};

inline constexpr uint16_t kTiffWidth = 256;
inline constexpr uint16_t kTiffHeight = 257;
inline constexpr uint16_t kTiffOrientation = 274;

/// Nothing where the tag is absent or the structure is damaged.
std::optional<TiffField> find_tiff_field(std::span<const uint8_t> tiff, uint16_t tag);

/// Orientation 1 .. 8 of an EXIF block, with or without its "Exif\0\0" prefix; 1 where it says nothing sensible: a
/// damaged note beside the picture is no reason to refuse the picture.
int exif_orientation(std::span<const uint8_t> exif);

}  // namespace pictrieve
