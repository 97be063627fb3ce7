#include "pictrieve/image/header.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <utility>

#include "pictrieve/image/exif.h"
#include "pictrieve/image/header_bytes.h"
#include "pictrieve/image/sniff.h"

namespace pictrieve {
namespace {

using namespace std::string_view_literals;

/// Walks the marker segments up to the first scan.
void read_jpeg(std::span<const uint8_t> bytes, PictureHeader& header) {
  const HeaderBytes reader(bytes, true);
  bool oriented = false;
  for (uint64_t at = 2;;) {
    while (reader.u8(at) != 0xFF) ++at;  // libjpeg skips such bytes, too
    while (reader.u8(at) == 0xFF) ++at;
    const uint32_t marker = reader.u8(at++);
    if (marker == 0xDA || marker == 0xD9) break;
    if (marker == 0 || marker == 1 || (marker >= 0xD0 && marker <= 0xD8)) continue;  // these have no length
    const uint32_t length = reader.u16(at);
    const bool is_frame = marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
    if (is_frame && header.width == 0) {
      header.height = reader.u16(at + 3);
      header.width = reader.u16(at + 5);
    }
    if (marker == 0xE1 && !oriented && reader.matches(at + 2, "Exif\0\0"sv)) {
      header.orientation = exif_orientation(reader.part(at + 2, std::max(length, 2U) - 2));
      oriented = true;
    }
    at += std::max(length, 2U);
  }
}

void read_png(std::span<const uint8_t> bytes, PictureHeader& header) {
  const HeaderBytes reader(bytes, true);
  require<DecodeError>(reader.has(0, 33) && reader.matches(12, "IHDR"sv), "PNG: the header is damaged or truncated");
  header.width = reader.u32(16);
  header.height = reader.u32(20);
  for (uint64_t at = 33; reader.has(at, 8); at += uint64_t{12} + reader.u32(at)) {
    if (!reader.matches(at + 4, "eXIf"sv)) continue;
    header.orientation = exif_orientation(reader.part(at + 8, reader.u32(at)));
    return;
  }
}

void read_gif(std::span<const uint8_t> bytes, PictureHeader& header) {
  const HeaderBytes reader(bytes);
  header.width = reader.u16(6);
  header.height = reader.u16(8);
}

void read_webp(std::span<const uint8_t> bytes, PictureHeader& header) {
  constexpr uint32_t kSizeMask = 0x3FFF;  // 14 bits
  const HeaderBytes reader(bytes);
  const uint64_t body = 20;  // of the first chunk
  if (reader.matches(12, "VP8 "sv)) {
    require<DecodeError>(reader.matches(body + 3, "\x9D\x01\x2A"sv), "WebP: the frame header is damaged");
    header.width = reader.u16(body + 6) & kSizeMask;
    header.height = reader.u16(body + 8) & kSizeMask;
  } else if (reader.matches(12, "VP8L"sv)) {
    const uint32_t bits = reader.u32(body + 1);
    header.width = (bits & kSizeMask) + 1;
    header.height = (bits >> 14 & kSizeMask) + 1;
  } else {
    require<DecodeError>(reader.matches(12, "VP8X"sv), "WebP: the first chunk is none that the format knows");
    header.width = int64_t{reader.u24(body + 4)} + 1;
    header.height = int64_t{reader.u24(body + 7)} + 1;
    header.animated = (reader.u8(body) & 2) != 0;
    uint64_t at = 12;
    while (reader.has(at, 8) && !reader.matches(at, "EXIF"sv)) at += (uint64_t{9} + reader.u32(at + 4)) / 2 * 2;
    if (reader.has(at, 8)) header.orientation = exif_orientation(reader.part(at + 8, reader.u32(at + 4)));
  }
}

void read_tiff(std::span<const uint8_t> bytes, PictureHeader& header) {
  const auto width = find_tiff_field(bytes, kTiffWidth), height = find_tiff_field(bytes, kTiffHeight);
  require<DecodeError>(width && height, "TIFF: the first directory is damaged or truncated");
  header.width = width->value;
  header.height = height->value;
  header.orientation = exif_orientation(bytes);
}

void read_bmp(std::span<const uint8_t> bytes, PictureHeader& header) {
  const HeaderBytes reader(bytes);
  const bool core = reader.u32(14) == 12;  // OS/2 header
  header.width = core ? reader.u16(18) : static_cast<int32_t>(reader.u32(18));
  header.height = core ? reader.u16(20) : std::abs(int64_t{static_cast<int32_t>(reader.u32(22))});
}

/// Next number of a PNM header, after white space and comments.
int64_t pnm_number(const HeaderBytes& reader, uint64_t& at) {
  constexpr int64_t kTooLarge = int64_t{1} << 32;
  for (;; ++at) {
    if (reader.u8(at) == '#')
      while (reader.u8(at) != '\n') ++at;
    else if (std::isspace(static_cast<int>(reader.u8(at))) == 0)
      break;
  }
  int64_t number = 0;
  for (; std::isdigit(static_cast<int>(reader.u8(at))) != 0; ++at)
    number = std::min(kTooLarge, number * 10 + (reader.u8(at) - '0'));
  return number;
}

void read_pnm(std::span<const uint8_t> bytes, PictureHeader& header) {
  const HeaderBytes reader(bytes);
  uint64_t at = 2;
  header.width = pnm_number(reader, at);
  header.height = pnm_number(reader, at);
}

}  // namespace

std::string_view name_of(PictureFormat format) {
  constexpr std::string_view kNames[] = {"JPEG", "PNG", "GIF", "WebP", "TIFF", "BMP", "PNM"};
  return kNames[static_cast<size_t>(format)];
}

PictureHeader read_header(std::span<const uint8_t> bytes) {
  using Reader = void (*)(std::span<const uint8_t>, PictureHeader&);
  constexpr Reader kReaders[] = {read_jpeg, read_png, read_gif, read_webp, read_tiff, read_bmp, read_pnm};
  PictureHeader header;
  header.format = sniff_format(bytes);
  kReaders[static_cast<size_t>(header.format)](bytes, header);
  require<DecodeError>(header.width > 0 && header.height > 0, name_of(header.format), ": the header says ",
                       header.width, " x ", header.height, " pixels; the file is damaged");
  return header;
}

}  // namespace pictrieve
