#include <gif_lib.h>

#include <algorithm>
#include <cstring>

#include "pictrieve/base/error.h"
#include "pictrieve/image/codecs/codecs.h"

namespace pictrieve::codecs {
namespace {

constexpr const char* kDamaged = "GIF: the file is damaged or truncated";

int read_bytes(GifFileType* gif, GifByteType* to, int count) {
  auto* rest = static_cast<std::span<const uint8_t>*>(gif->UserData);
  const size_t given = std::min(rest->size(), static_cast<size_t>(count));
  if (given > 0) std::memcpy(to, rest->data(), given);
  *rest = rest->subspan(given);
  return static_cast<int>(given);
}

/// The first frame only: DGifSlurp would unpack every frame of the file.
class GifDecoder {
 public:
  explicit GifDecoder(std::span<const uint8_t> bytes) : rest_(bytes) {
    gif_ = DGifOpen(&rest_, read_bytes, nullptr);
    require<DecodeError>(gif_ != nullptr, kDamaged);
  }
  ~GifDecoder() { DGifCloseFile(gif_, nullptr); }
  GifDecoder(const GifDecoder&) = delete;
  GifDecoder& operator=(const GifDecoder&) = delete;

  Image decode(int64_t max_pixels) {
    GifRecordType record = UNDEFINED_RECORD_TYPE;
    for (;;) {
      check(DGifGetRecordType(gif_, &record));
      require<DecodeError>(record != TERMINATE_RECORD_TYPE, "GIF: the file holds no picture");
      if (record == IMAGE_DESC_RECORD_TYPE) return frame(max_pixels);
      if (record == EXTENSION_RECORD_TYPE) read_extension();
    }
  }

 private:
  static void check(int status) { require<DecodeError>(status == GIF_OK, kDamaged); }

  void read_extension() {
    int code = 0;
    GifByteType* block = nullptr;
    check(DGifGetExtension(gif_, &code, &block));
    while (block != nullptr) {
      GraphicsControlBlock control{};
      if (code == GRAPHICS_EXT_FUNC_CODE && DGifExtensionToGCB(block[0], block + 1, &control) == GIF_OK)
        transparent_ = control.TransparentColor;
      check(DGifGetExtensionNext(gif_, &block));
    }
  }

  /// On a transparent canvas; what lies outside the canvas is dropped.
  Image frame(int64_t max_pixels) {
    check(DGifGetImageDesc(gif_));
    const GifImageDesc& place = gif_->Image;
    const ColorMapObject* colours = place.ColorMap != nullptr ? place.ColorMap : gif_->SColorMap;
    require<DecodeError>(colours != nullptr, "GIF: the file has no palette");
    require<DecodeError>(place.Width > 0 && place.Height > 0, kDamaged);
    require<DecodeError>(int64_t{place.Width} * place.Height <= max_pixels, "GIF: expected a frame of at most ",
                         max_pixels, " pixels, got ", place.Width, " x ", place.Height,
                         "; raise max_pixels if you trust the file");
    const Image canvas(gif_->SHeight, gif_->SWidth, 4);
    std::memset(canvas.data(), 0, static_cast<size_t>(canvas.height() * canvas.row_stride()));
    std::vector<GifPixelType> line(static_cast<size_t>(place.Width));
    // Rows that are stored in order end with the last visible one.
    const int rows = place.Interlace ? place.Height : std::min(place.Height, std::max(0, canvas.height() - place.Top));
    constexpr int kStarts[] = {0, 4, 2, 1}, kSteps[] = {8, 8, 4, 2};
    for (int pass = 0; pass < (place.Interlace ? 4 : 1); ++pass) {
      const int step = place.Interlace ? kSteps[pass] : 1;
      for (int y = place.Interlace ? kStarts[pass] : 0; y < rows; y += step) {
        check(DGifGetLine(gif_, line.data(), place.Width));
        if (place.Top + y < canvas.height())
          paint(line, *colours, place.Left, canvas.row(place.Top + y), canvas.width());
      }
    }
    return canvas;
  }

  void paint(const std::vector<GifPixelType>& line, const ColorMapObject& colours, int left, uint8_t* row,
             int width) const {
    const int count = std::min(static_cast<int>(line.size()), width - left);
    for (int x = 0; x < count; ++x) {
      if (line[x] == transparent_) continue;
      const GifColorType colour = line[x] < colours.ColorCount ? colours.Colors[line[x]] : GifColorType{0, 0, 0};
      const uint8_t pixel[] = {colour.Red, colour.Green, colour.Blue, 255};
      std::memcpy(row + int64_t{4} * (left + x), pixel, 4);
    }
  }

  std::span<const uint8_t> rest_;
  GifFileType* gif_ = nullptr;
  int transparent_ = NO_TRANSPARENT_COLOR;
};

}  // namespace

Image decode_gif(std::span<const uint8_t> bytes, int64_t max_pixels) { return GifDecoder(bytes).decode(max_pixels); }

}  // namespace pictrieve::codecs
