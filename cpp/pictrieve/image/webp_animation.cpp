#include "pictrieve/image/webp_animation.h"

#include <cstring>
#include <string_view>
#include <vector>

#include "pictrieve/image/codecs_library.h"
#include "pictrieve/image/header_bytes.h"
#include "pictrieve/image/pixels.h"

namespace pictrieve {
namespace {

using namespace std::string_view_literals;

constexpr uint64_t kChunkHeader = 8;   // name and length
constexpr uint64_t kFrameHeader = 16;  // place, size and timing in front of a frame's own chunks

void append_u32(std::vector<uint8_t>& bytes, uint64_t value) {
  for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<uint8_t>(value >> shift));
}

void append(std::vector<uint8_t>& bytes, std::string_view text) { bytes.insert(bytes.end(), text.begin(), text.end()); }

/// A WebP file of its own, with the extended header that a separate alpha chunk needs.
std::vector<uint8_t> still_picture(std::span<const uint8_t> chunks, uint32_t width, uint32_t height) {
  constexpr uint32_t kExtendedBytes = 10;
  const bool alpha = HeaderBytes(chunks).matches(0, "ALPH"sv);
  std::vector<uint8_t> file;
  append(file, "RIFF"sv);
  append_u32(file, 4 + (alpha ? kChunkHeader + kExtendedBytes : 0) + chunks.size());
  append(file, "WEBP"sv);
  if (alpha) {
    append(file, "VP8X"sv);
    append_u32(file, kExtendedBytes);
    append_u32(file, 0x10);  // has alpha
    for (const uint32_t side : {width, height})
      for (int shift = 0; shift < 24; shift += 8) file.push_back(static_cast<uint8_t>((side - 1) >> shift));
  }
  file.insert(file.end(), chunks.begin(), chunks.end());
  return file;
}

}  // namespace

Image decode_first_frame(std::span<const uint8_t> webp, const PictureHeader& header) {
  const HeaderBytes reader(webp);
  uint64_t at = 12;
  while (!reader.matches(at, "ANMF"sv)) at += (kChunkHeader + 1 + reader.u32(at + 4)) / 2 * 2;
  const uint64_t length = reader.u32(at + 4), frame = at + kChunkHeader;
  const int64_t left = int64_t{2} * reader.u24(frame), top = int64_t{2} * reader.u24(frame + 3);
  const uint32_t width = reader.u24(frame + 6) + 1, height = reader.u24(frame + 9) + 1;
  require<DecodeError>(length > kFrameHeader && reader.has(frame, length) && left + width <= header.width &&
                           top + height <= header.height,
                       "WebP: the first frame is damaged or truncated");
  const auto file = still_picture(reader.part(frame + kFrameHeader, length - kFrameHeader), width, height);
  const PictureHeader inner = read_header(file);
  require<DecodeError>(inner.width == width && inner.height == height, "WebP: the first frame is damaged");
  const Image pixels = codec_table().decode_other(file, PictureFormat::WebP);
  require<DecodeError>(pixels.channels() >= 3, "WebP: the first frame is damaged");
  const Image canvas(static_cast<int>(header.height), static_cast<int>(header.width), 4);
  std::memset(canvas.data(), 0, static_cast<size_t>(canvas.height() * canvas.row_stride()));
  for (int y = 0; y < pixels.height(); ++y) {
    const uint8_t* from = pixels.row(y);
    uint8_t* to = canvas.row(static_cast<int>(top) + y) + 4 * left;
    for (int x = 0; x < pixels.width(); ++x, from += pixels.channels(), to += 4) {
      std::memcpy(to, from, 3);
      to[3] = pixels.channels() == 4 ? from[3] : 255;
    }
  }
  return canvas;
}

}  // namespace pictrieve
