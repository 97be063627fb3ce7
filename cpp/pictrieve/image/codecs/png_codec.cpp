#include <png.h>

#include <csetjmp>
#include <cstdio>
#include <cstring>

#include "pictrieve/base/error.h"
#include "pictrieve/image/codecs/codecs.h"

namespace pictrieve::codecs {
namespace {

/// libpng leaves a failed call through this by longjmp, so code under `succeeds` must hold nothing with a destructor.
struct PngErrors {
  std::jmp_buf escape{};
  char text[128]{};

  static void fail(png_structp png, png_const_charp what) {
    auto* errors = static_cast<PngErrors*>(png_get_error_ptr(png));
    std::snprintf(errors->text, sizeof(errors->text), "%s", what);
    std::longjmp(errors->escape, 1);
  }
  static void ignore(png_structp, png_const_charp) {}

  template <typename Step>
  bool succeeds(const Step& step) {
    if (setjmp(escape) != 0) return false;
    step();
    return true;
  }
};

class PngDecoder {
 public:
  explicit PngDecoder(std::span<const uint8_t> bytes) : rest_(bytes) {
    check([&] {
      png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &errors_, PngErrors::fail, PngErrors::ignore);
      info_ = png_create_info_struct(png_);
    });
  }
  ~PngDecoder() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngDecoder(const PngDecoder&) = delete;
  PngDecoder& operator=(const PngDecoder&) = delete;

  Image decode() {
    int passes = 0;
    check([&] {
      png_set_read_fn(png_, this, read);
      png_read_info(png_, info_);
      png_set_strip_16(png_);  // keeps the high byte
      png_set_expand(png_);    // palettes, fewer than 8 bits, and transparent colours as alpha
      if ((png_get_color_type(png_, info_) & PNG_COLOR_MASK_ALPHA) != 0 ||
          png_get_valid(png_, info_, PNG_INFO_tRNS) != 0)
        png_set_gray_to_rgb(png_);
      passes = png_set_interlace_handling(png_);
      png_read_update_info(png_, info_);
    });
    const Image image(static_cast<int>(png_get_image_height(png_, info_)),
                      static_cast<int>(png_get_image_width(png_, info_)), png_get_channels(png_, info_));
    require<DecodeError>(png_get_rowbytes(png_, info_) == static_cast<size_t>(image.row_stride()),
                         "PNG: damaged header");
    check([&] {
      for (int pass = 0; pass < passes; ++pass)
        for (int y = 0; y < image.height(); ++y) png_read_row(png_, image.row(y), nullptr);
    });
    return image;
  }

 private:
  static void read(png_structp png, png_bytep to, size_t count) {
    auto* decoder = static_cast<PngDecoder*>(png_get_io_ptr(png));
    if (decoder->rest_.size() < count) png_error(png, "the data ends too early");
    std::memcpy(to, decoder->rest_.data(), count);
    decoder->rest_ = decoder->rest_.subspan(count);
  }

  template <typename Step>
  void check(const Step& step) {
    require<DecodeError>(errors_.succeeds(step), "PNG: the file is damaged or truncated (", errors_.text, ')');
  }

  std::span<const uint8_t> rest_;
  PngErrors errors_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

class PngEncoder {
 public:
  ~PngEncoder() { png_destroy_write_struct(&png_, &info_); }

  std::vector<uint8_t> encode(ImageView image) {
    const int colour = image.channels == 1   ? PNG_COLOR_TYPE_GRAY
                       : image.channels == 3 ? PNG_COLOR_TYPE_RGB
                                             : PNG_COLOR_TYPE_RGBA;
    const bool done = errors_.succeeds([&] {
      png_ = png_create_write_struct(PNG_LIBPNG_VER_STRING, &errors_, PngErrors::fail, PngErrors::ignore);
      info_ = png_create_info_struct(png_);
      png_set_write_fn(png_, &bytes_, append, nullptr);
      png_set_IHDR(png_, info_, static_cast<png_uint_32>(image.width), static_cast<png_uint_32>(image.height), 8,
                   colour, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
      png_write_info(png_, info_);
      for (int y = 0; y < image.height; ++y) png_write_row(png_, image.row(y));
      png_write_end(png_, info_);
    });
    require<Error>(done, "encode_png: ", errors_.text);
    return std::move(bytes_);
  }

 private:
  static void append(png_structp png, png_bytep from, size_t count) {
    auto* bytes = static_cast<std::vector<uint8_t>*>(png_get_io_ptr(png));
    bytes->insert(bytes->end(), from, from + count);
  }

  std::vector<uint8_t> bytes_;
  PngErrors errors_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

}  // namespace

Image decode_png(std::span<const uint8_t> bytes) { return PngDecoder(bytes).decode(); }

std::vector<uint8_t> encode_png(ImageView image) { return PngEncoder().encode(image); }

}  // namespace pictrieve::codecs
