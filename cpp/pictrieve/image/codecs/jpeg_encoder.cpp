#include <cstdlib>

#include "pictrieve/base/error.h"
#include "pictrieve/image/codecs/codecs.h"
#include "pictrieve/image/codecs/jpeg_errors.h"

namespace pictrieve::codecs {
namespace {

/// One compression; its members outlive every longjmp.
class JpegEncoder {
 public:
  JpegEncoder() { info_.err = errors_.prepare(); }
  ~JpegEncoder() {
    jpeg_destroy_compress(&info_);
    std::free(bytes_);
  }
  JpegEncoder(const JpegEncoder&) = delete;
  JpegEncoder& operator=(const JpegEncoder&) = delete;

  std::vector<uint8_t> encode(ImageView image, int quality) {
    const bool done = errors_.succeeds([&] {
      jpeg_create_compress(&info_);
      jpeg_mem_dest(&info_, &bytes_, &size_);
      info_.image_width = static_cast<JDIMENSION>(image.width);
      info_.image_height = static_cast<JDIMENSION>(image.height);
      info_.input_components = image.channels;
      info_.in_color_space = image.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
      jpeg_set_defaults(&info_);
      jpeg_set_quality(&info_, quality, TRUE);
      jpeg_start_compress(&info_, TRUE);
      while (info_.next_scanline < info_.image_height) {
        auto* row = const_cast<JSAMPROW>(image.row(static_cast<int>(info_.next_scanline)));
        jpeg_write_scanlines(&info_, &row, 1);
      }
      jpeg_finish_compress(&info_);
    });
    require<Error>(done, "encode_jpeg: ", errors_.text);
    return {bytes_, bytes_ + size_};
  }

 private:
  JpegErrors errors_;
  jpeg_compress_struct info_{};
  unsigned char* bytes_ = nullptr;
  unsigned long size_ = 0;
};

}  // namespace

std::vector<uint8_t> encode_jpeg(ImageView image, int quality) { return JpegEncoder().encode(image, quality); }

}  // namespace pictrieve::codecs
