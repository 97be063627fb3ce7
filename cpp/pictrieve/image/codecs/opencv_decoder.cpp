#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include <algorithm>

#include "pictrieve/base/error.h"
#include "pictrieve/image/codecs/codecs.h"
#include "pictrieve/image/codecs/quiet_stderr.h"

namespace pictrieve::codecs {
namespace {

/// B, G, R(, A) of 8 or 16 bits to R, G, B(, A) of 8: of 16 bits the high byte.
template <typename T>
Image to_image(const cv::Mat& pixels) {
  const int channels = pixels.channels();
  Image image(pixels.rows, pixels.cols, channels);
  for (int y = 0; y < pixels.rows; ++y) {
    const T* from = pixels.ptr<T>(y);
    uint8_t* to = image.row(y);
    for (int x = 0; x < pixels.cols; ++x, from += channels, to += channels)
      for (int c = 0; c < channels; ++c) {
        const int source = channels >= 3 && c < 3 ? 2 - c : c;
        to[c] = static_cast<uint8_t>(from[source] >> 8 * (sizeof(T) - 1));
      }
  }
  return image;
}

/// libtiff hands out colours multiplied by alpha. Divided with rounding, composing them again gives the same bytes.
void divide_by_alpha(const Image& rgba) {
  for (int64_t i = 0; i < int64_t{4} * rgba.height() * rgba.width(); i += 4) {
    uint8_t* pixel = rgba.data() + i;
    if (pixel[3] == 0) continue;
    for (int c = 0; c < 3; ++c)
      pixel[c] = static_cast<uint8_t>(std::min(255, (pixel[c] * 255 + pixel[3] / 2) / pixel[3]));
  }
}

}  // namespace

// OpenCV's number of threads and its log level belong to the whole process, where a user's cv2 may share this library,
// so both stay as they are. Nothing is lost: for what we accept, imdecode runs on the calling thread, and QuietStderr
// drops what OpenCV would print from this one.
Image decode_other(std::span<const uint8_t> bytes, PictureFormat format) {
  const cv::Mat encoded(1, static_cast<int>(bytes.size()), CV_8U, const_cast<uint8_t*>(bytes.data()));
  cv::Mat pixels;
  try {
    const QuietStderr quiet;
    pixels = cv::imdecode(encoded, format == PictureFormat::Bmp ? cv::IMREAD_COLOR : cv::IMREAD_UNCHANGED);
  } catch (const cv::Exception& e) {
    throw DecodeError(message("picture: OpenCV cannot decode it (", e.err, "); the file is damaged or of a rare kind"));
  }
  require<DecodeError>(!pixels.empty(), "picture: the file is damaged or truncated");
  const int channels = pixels.channels(), depth = pixels.depth();
  require<DecodeError>((channels == 1 || channels == 3 || channels == 4) && (depth == CV_8U || depth == CV_16U),
                       "picture: expected 8 or 16 bits per sample and 1, 3 or 4 channels, got ", channels,
                       " channels of another kind; convert it first");
  if (depth == CV_16U) return to_image<uint16_t>(pixels);
  Image image = to_image<uint8_t>(pixels);
  if (format == PictureFormat::Tiff && channels == 4) divide_by_alpha(image);
  return image;
}

}  // namespace pictrieve::codecs
