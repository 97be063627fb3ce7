#include "pictrieve/image/sniff.h"

#include <cctype>
#include <optional>
#include <string>

#include "pictrieve/image/header_bytes.h"

namespace pictrieve {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kSupported = "JPEG, PNG, GIF, WebP, TIFF, BMP and PNM (PBM, PGM, PPM)";

std::optional<PictureFormat> known_format(const HeaderBytes& reader) {
  if (reader.matches(0, "\xFF\xD8\xFF"sv)) return PictureFormat::Jpeg;
  if (reader.matches(0, "\x89PNG\r\n\x1A\n"sv)) return PictureFormat::Png;
  if (reader.matches(0, "GIF87a"sv) || reader.matches(0, "GIF89a"sv)) return PictureFormat::Gif;
  if (reader.matches(0, "RIFF"sv) && reader.matches(8, "WEBP"sv)) return PictureFormat::WebP;
  if (reader.matches(0, "II*\0"sv) || reader.matches(0, "MM\0*"sv)) return PictureFormat::Tiff;
  if (reader.matches(0, "BM"sv)) return PictureFormat::Bmp;
  if (reader.has(0, 3) && reader.u8(0) == 'P' && reader.u8(1) >= '1' && reader.u8(1) <= '6' &&
      std::isspace(static_cast<int>(reader.u8(2))) != 0)
    return PictureFormat::Pnm;
  return std::nullopt;
}

/// Start of the text in lower case, after a byte-order mark and white space; empty where it is not text.
std::string text_start(std::span<const uint8_t> bytes) {
  constexpr size_t kEnough = 1024;
  std::string text;
  for (const uint8_t byte : bytes.first(std::min(bytes.size(), kEnough))) {
    if (byte == 0) return "";
    if (byte < 0x80 && (!text.empty() || std::isspace(byte) == 0)) text += static_cast<char>(std::tolower(byte));
  }
  return text;
}

std::string_view likely_kind(std::span<const uint8_t> bytes) {
  const HeaderBytes reader(bytes);
  if (reader.matches(4, "ftyp"sv)) {
    if (reader.matches(8, "avif"sv) || reader.matches(8, "avis"sv)) return "AVIF";
    if (reader.matches(8, "hei"sv) || reader.matches(8, "hev"sv) || reader.matches(8, "mif1"sv)) return "HEIC";
    return "a video (MP4 or MOV)";
  }
  if (reader.matches(0, "%PDF"sv)) return "a PDF";
  if (reader.matches(0, "PK\x03\x04"sv)) return "a zip archive";
  if (reader.matches(0, "\x1F\x8B"sv)) return "gzip data";
  if (reader.matches(0, "8BPS"sv)) return "a Photoshop document";
  if (reader.matches(0, "\0\0\1\0"sv)) return "an icon (ICO)";
  if (reader.matches(0, "\xFF\x0A"sv) || reader.matches(4, "JXL "sv)) return "JPEG XL";
  if (reader.matches(4, "jP  "sv) || reader.matches(0, "\xFF\x4F\xFF\x51"sv)) return "JPEG 2000";
  if (reader.matches(0, "II+\0"sv) || reader.matches(0, "MM\0+"sv)) return "BigTIFF";
  if (reader.matches(0, "version https://git-lfs"sv)) return "a Git LFS pointer";
  const std::string text = text_start(bytes);
  if (text.find("<svg") != std::string::npos) return "SVG";
  if (text.starts_with("<!doctype html") || text.starts_with("<html")) return "an HTML page";
  if (text.starts_with('<')) return "XML or HTML";
  if (text.starts_with('{') || text.starts_with('[')) return "JSON";
  return "";
}

}  // namespace

PictureFormat sniff_format(std::span<const uint8_t> bytes) {
  require<DecodeError>(!bytes.empty(), "picture: expected an encoded picture, got 0 bytes");
  if (const auto format = known_format(HeaderBytes(bytes))) return *format;
  const std::string_view kind = likely_kind(bytes);
  throw DecodeError(message("picture: expected ", kSupported, ", got ", bytes.size(), " bytes that look like ",
                            kind.empty() ? "none of them"sv : kind, kind.empty() ? ""sv : "; convert them first"sv));
}

}  // namespace pictrieve
