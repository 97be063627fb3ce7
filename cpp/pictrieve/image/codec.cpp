#include "pictrieve/image/codec.h"

#include <algorithm>
#include <limits>

#include "pictrieve/base/error.h"
#include "pictrieve/image/codecs_library.h"
#include "pictrieve/image/exif.h"
#include "pictrieve/image/header.h"
#include "pictrieve/image/webp_animation.h"

namespace pictrieve {
namespace {

void require_size(const PictureHeader& header, int64_t max_pixels) {
  constexpr int64_t kLargestSide = 1 << 20;
  const int64_t width = header.width, height = header.height;
  const bool fits = width <= kLargestSide && height <= kLargestSide && width * height <= max_pixels;
  require<DecodeError>(fits, name_of(header.format), ": expected at most ", max_pixels, " pixels and sides of at most ",
                       kLargestSide, ", got ", width, " x ", height, "; raise max_pixels if you trust the file");
}

/// The largest reduction that leaves the short side at least twice the target, so that resampling still averages.
int jpeg_reduction(const PictureHeader& header, int target_short_side) {
  if (target_short_side <= 0) return 1;
  const int64_t side = std::min(header.width, header.height);
  for (const int reduction : {8, 4, 2})
    if ((side + reduction - 1) / reduction >= int64_t{2} * target_short_side) return reduction;
  return 1;
}

/// libtiff would turn the picture by itself, so it is shown a copy without the tag's value.
std::vector<uint8_t> without_orientation(std::span<const uint8_t> bytes) {
  std::vector<uint8_t> copy(bytes.begin(), bytes.end());
  const auto field = find_tiff_field(bytes, kTiffOrientation);
  if (!field) return copy;
  const int length = field->is_short ? 2 : 4;
  for (int i = 0; i < length; ++i) copy[field->offset + i] = (field->big_endian ? length - 1 - i : i) == 0 ? 1 : 0;
  return copy;
}

Image decode_stored(std::span<const uint8_t> bytes, const PictureHeader& header, const DecodeOptions& options) {
  const CodecTable& codecs = codec_table();
  switch (header.format) {
    case PictureFormat::Jpeg:
      return codecs.decode_jpeg(bytes, jpeg_reduction(header, options.target_short_side));
    case PictureFormat::Png:
      return codecs.decode_png(bytes);
    case PictureFormat::Gif:
      return codecs.decode_gif(bytes, options.max_pixels);
    case PictureFormat::Tiff:
      return codecs.decode_other(without_orientation(bytes), header.format);
    case PictureFormat::WebP:
      return header.animated ? decode_first_frame(bytes, header) : codecs.decode_other(bytes, header.format);
    case PictureFormat::Bmp:
    case PictureFormat::Pnm:
      break;
  }
  return codecs.decode_other(bytes, header.format);
}

}  // namespace

Image decode(std::span<const uint8_t> bytes, const DecodeOptions& options) {
  const PictureHeader header = read_header(bytes);
  require_size(header, options.max_pixels);
  require<DecodeError>(bytes.size() <= std::numeric_limits<int>::max(), "picture: expected less than 2 GiB, got ",
                       bytes.size(), " bytes");
  Image image = decode_stored(bytes, header, options);
  if (image.channels() != 3) image = to_rgb(image, options.alpha);
  return options.apply_exif ? upright(image, header.orientation) : image;
}

ImageInfo probe(std::span<const uint8_t> bytes) {
  const PictureHeader header = read_header(bytes);
  require_size(header, std::numeric_limits<int64_t>::max());
  const bool transposed = header.orientation >= 5;
  const int width = static_cast<int>(header.width), height = static_cast<int>(header.height);
  return {std::string(name_of(header.format)), transposed ? height : width, transposed ? width : height,
          header.orientation};
}

std::vector<uint8_t> encode_jpeg(ImageView image, int quality) {
  constexpr int kLargestSide = 65500;  // libjpeg's limit
  require(quality >= 1 && quality <= 100, "quality: expected 1 to 100, got ", quality);
  require(image.height > 0 && image.width > 0 && image.height <= kLargestSide && image.width <= kLargestSide,
          "encode_jpeg: expected 1 to ", kLargestSide, " pixels per side, got ", image.height, " x ", image.width);
  if (image.channels == 4) return codec_table().encode_jpeg(to_rgb(image, AlphaPolicy::White), quality);
  require(image.channels == 1 || image.channels == 3, "encode_jpeg: expected 1, 3 or 4 channels, got ", image.channels);
  return codec_table().encode_jpeg(image, quality);
}

std::vector<uint8_t> encode_png(ImageView image) {
  require(image.height > 0 && image.width > 0, "encode_png: the picture is empty");
  require(image.channels == 1 || image.channels == 3 || image.channels == 4,
          "encode_png: expected 1, 3 or 4 channels, got ", image.channels);
  return codec_table().encode_png(image);
}

}  // namespace pictrieve
