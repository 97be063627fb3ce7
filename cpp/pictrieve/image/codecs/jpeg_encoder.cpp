#include <algorithm>
#include <exception>
#include <utility>

#include "pictrieve/base/error.h"
#include "pictrieve/image/codecs/codecs.h"
#include "pictrieve/image/codecs/jpeg_errors.h"

namespace pictrieve::codecs {
namespace {

/// libjpeg writes to a vector that stays valid wherever an error jumps out (jpeg_mem_dest tells its caller about a new
/// buffer only at the end, after it freed the old one).
struct Output {
  jpeg_destination_mgr manager{};  ///< first: libjpeg hands back the address of this member only
  std::vector<uint8_t> bytes;

  Output() {
    manager.init_destination = [](j_compress_ptr info) { grow(info); };
    manager.empty_output_buffer = [](j_compress_ptr info) -> boolean { return grow(info), TRUE; };
    manager.term_destination = [](j_compress_ptr info) {
      auto& bytes = reinterpret_cast<Output*>(info->dest)->bytes;
      bytes.resize(bytes.size() - info->dest->free_in_buffer);
    };
  }

 private:
  static bool resized(std::vector<uint8_t>& bytes, size_t size) noexcept {
    try {
      bytes.resize(size);
      return true;
    } catch (const std::exception&) {  // must not pass through libjpeg, which is C
      return false;
    }
  }

  /// Called when the buffer is full: at the beginning, too.
  static void grow(j_compress_ptr info) {
    constexpr size_t kFirst = 1 << 16;
    auto& bytes = reinterpret_cast<Output*>(info->dest)->bytes;
    const size_t filled = bytes.size();
    if (!resized(bytes, std::max(kFirst, 2 * filled))) ERREXIT1(info, JERR_OUT_OF_MEMORY, 0);
    info->dest->next_output_byte = bytes.data() + filled;
    info->dest->free_in_buffer = bytes.size() - filled;
  }
};

/// One compression; its members outlive every longjmp.
class JpegEncoder {
 public:
  JpegEncoder() { info_.err = errors_.prepare(); }
  ~JpegEncoder() { jpeg_destroy_compress(&info_); }
  JpegEncoder(const JpegEncoder&) = delete;
  JpegEncoder& operator=(const JpegEncoder&) = delete;

  std::vector<uint8_t> encode(ImageView image, int quality) {
    const bool done = errors_.succeeds([&] {
      jpeg_create_compress(&info_);
      info_.dest = &output_.manager;
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
    return std::move(output_.bytes);
  }

 private:
  JpegErrors errors_;
  jpeg_compress_struct info_{};
  Output output_;
};

}  // namespace

std::vector<uint8_t> encode_jpeg(ImageView image, int quality) { return JpegEncoder().encode(image, quality); }

}  // namespace pictrieve::codecs
