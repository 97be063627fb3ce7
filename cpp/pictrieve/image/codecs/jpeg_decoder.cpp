#include "pictrieve/base/error.h"
#include "pictrieve/image/codecs/codecs.h"
#include "pictrieve/image/codecs/jpeg_errors.h"

namespace pictrieve::codecs {
namespace {

/// One decompression; its members outlive every longjmp.
class JpegDecoder {
 public:
  explicit JpegDecoder(std::span<const uint8_t> bytes) : bytes_(bytes) {
    info_.err = errors_.prepare();
    check([&] { jpeg_create_decompress(&info_); });
  }
  ~JpegDecoder() { jpeg_destroy_decompress(&info_); }
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;

  Image decode(int reduction) {
    check([&] {
      jpeg_mem_src(&info_, bytes_.data(), bytes_.size());
      jpeg_read_header(&info_, TRUE);
      info_.scale_num = 1;
      info_.scale_denom = reduction;
      info_.out_color_space = info_.num_components == 1   ? JCS_GRAYSCALE
                              : info_.num_components == 4 ? JCS_CMYK
                                                          : JCS_RGB;
      jpeg_start_decompress(&info_);
    });
    const Image image(static_cast<int>(info_.output_height), static_cast<int>(info_.output_width),
                      info_.output_components);
    check([&] {
      while (info_.output_scanline < info_.output_height && !errors_.damaged) {
        JSAMPROW row = image.row(static_cast<int>(info_.output_scanline));
        jpeg_read_scanlines(&info_, &row, 1);
      }
    });
    return image;
  }

 private:
  template <typename Step>
  void check(const Step& step) {
    const bool done = errors_.succeeds(step);
    require<DecodeError>(done && !errors_.damaged, "JPEG: the file is damaged or truncated (", errors_.text, ')');
  }

  std::span<const uint8_t> bytes_;
  JpegErrors errors_;
  jpeg_decompress_struct info_{};
};

/// Inks to light, as Pillow does it. The file holds inverted inks, which is what Adobe writes.
Image cmyk_to_rgb(const Image& inverted) {
  Image rgb(inverted.height(), inverted.width(), 3);
  for (int y = 0; y < rgb.height(); ++y) {
    const uint8_t* from = inverted.row(y);
    uint8_t* to = rgb.row(y);
    for (int x = 0; x < rgb.width(); ++x, from += 4, to += 3) {
      for (int c = 0; c < 3; ++c) {
        const int product = (255 - from[c]) * from[3] + 128;
        to[c] = static_cast<uint8_t>(from[3] - (((product >> 8) + product) >> 8));
      }
    }
  }
  return rgb;
}

}  // namespace

Image decode_jpeg(std::span<const uint8_t> bytes, int reduction) {
  Image image = JpegDecoder(bytes).decode(reduction);
  return image.channels() == 4 ? cmyk_to_rgb(image) : image;
}

}  // namespace pictrieve::codecs
