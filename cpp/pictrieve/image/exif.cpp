#include "pictrieve/image/exif.h"

#include "pictrieve/image/header_bytes.h"

namespace pictrieve {

std::optional<TiffField> find_tiff_field(std::span<const uint8_t> tiff, uint16_t tag) {
  constexpr uint64_t kEntryBytes = 12;
  constexpr uint32_t kShort = 3, kLong = 4;
  const bool big_endian = HeaderBytes(tiff).matches(0, std::string_view("MM\0*", 4));
  if (!big_endian && !HeaderBytes(tiff).matches(0, std::string_view("II*\0", 4))) return std::nullopt;
  const HeaderBytes reader(tiff, big_endian);
  if (!reader.has(4, 4)) return std::nullopt;
  const uint64_t directory = reader.u32(4);
  if (!reader.has(directory, 2)) return std::nullopt;
  const uint32_t entries = reader.u16(directory);
  for (uint32_t i = 0; i < entries; ++i) {
    const uint64_t entry = directory + 2 + i * kEntryBytes;
    if (!reader.has(entry, kEntryBytes)) return std::nullopt;
    if (reader.u16(entry) != tag) continue;
    const uint32_t type = reader.u16(entry + 2);
    if ((type != kShort && type != kLong) || reader.u32(entry + 4) == 0) return std::nullopt;
    const uint64_t offset = entry + 8;
    return TiffField{offset, type == kShort ? reader.u16(offset) : reader.u32(offset), type == kShort, big_endian};
  }
  return std::nullopt;
}

int exif_orientation(std::span<const uint8_t> exif) {
  constexpr std::string_view kPrefix("Exif\0\0", 6);
  if (HeaderBytes(exif).matches(0, kPrefix)) exif = exif.subspan(kPrefix.size());
  const std::optional<TiffField> field = find_tiff_field(exif, kTiffOrientation);
  return field && field->value >= 1 && field->value <= 8 ? static_cast<int>(field->value) : 1;
}

}  // namespace pictrieve
