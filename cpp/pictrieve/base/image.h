// Pixels: 8-bit, interleaved, rows from the top.
#pragma once

#include <cstdint>
#include <memory>

#include "pictrieve/base/matrix.h"

namespace pictrieve {

/// Borrowed uint8 pixels `(height, width, channels)`; 1 channel is grey, 3 are R, G, B, 4 are R, G, B, A.
struct ImageView {
  const uint8_t* data = nullptr;
  int height = 0;
  int width = 0;
  int channels = 0;
  int64_t row_stride = 0;  ///< bytes from one row to the next, at least width * channels

  const uint8_t* row(int y) const { return data + y * row_stride; }
};

/// Owned pixels without padding between rows.
class Image {
 public:
  Image() = default;
  Image(int height, int width, int channels)
      : storage_(aligned_array<uint8_t>(int64_t{height} * width * channels)),
        height_(height),
        width_(width),
        channels_(channels) {}

  int height() const { return height_; }
  int width() const { return width_; }
  int channels() const { return channels_; }
  int64_t row_stride() const { return int64_t{width_} * channels_; }
  uint8_t* data() const { return storage_.get(); }
  uint8_t* row(int y) const { return data() + y * row_stride(); }
  operator ImageView() const { return {data(), height_, width_, channels_, row_stride()}; }
  std::shared_ptr<void> storage() const { return {storage_, storage_.get()}; }

 private:
  std::shared_ptr<uint8_t[]> storage_;
  int height_ = 0;
  int width_ = 0;
  int channels_ = 0;
};

}  // namespace pictrieve
