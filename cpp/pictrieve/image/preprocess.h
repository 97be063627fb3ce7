// From any picture to the numbers that a network expects.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "pictrieve/base/parallel.h"
#include "pictrieve/image/codec.h"
#include "pictrieve/image/resize.h"
#include "pictrieve/image/source.h"

namespace pictrieve {

enum class ResizeMode {
  Shortest,  ///< the short side becomes `height`, the long side follows: int(height * long / short), as in torchvision
  Stretch,   ///< to exactly height x width
  Pad,       ///< the whole picture inside height x width, centred, the rest filled with `pad_value`
};

struct ResizeStep {
  ResizeMode mode = ResizeMode::Shortest;
  int height = 256;
  int width = 256;    ///< unused by Shortest
  int pad_value = 0;  ///< 0 .. 255, of all three channels; used by Pad
};

/// Centre crop: of `height` x `width` pixels (rounded as in torchvision, black where the picture is smaller), or, where
/// `fraction` > 0, a square of int(fraction * short side) pixels that starts at (height - side + 1) / 2 rounded down,
/// as EfficientNet's own preprocessing has it.
struct CropStep {
  int height = 224;
  int width = 224;
  double fraction = 0;
};

using PreprocessStep = std::variant<ResizeStep, CropStep>;

struct PreprocessOptions {
  std::vector<PreprocessStep> steps{ResizeStep{}, CropStep{}};
  Interpolation interpolation = Interpolation::Bilinear;
  bool antialias = true;                              ///< Pillow's resampling; false: OpenCV's (see resize_sharp)
  bool scaled_decode = true;                          ///< large JPEGs are decoded at 1/2, 1/4 or 1/8; false: in full
  float divisor = 255;                                ///< network input = (pixel / divisor - mean) / std
  std::array<float, 3> mean{0.485F, 0.456F, 0.406F};  ///< in the order of the output channels
  std::array<float, 3> std{0.229F, 0.224F, 0.225F};
  bool bgr = false;  ///< output channels are B, G, R
  bool apply_exif = true;
  AlphaPolicy alpha = AlphaPolicy::White;
};

/// Immutable, so that any number of threads may share one.
class Preprocess {
 public:
  /// Throws std::invalid_argument where the steps do not lead to one fixed size.
  explicit Preprocess(PreprocessOptions options);

  /// Pixels (grey, RGB, RGBA) to float (3, height(), width()). DecodeError where they are too thin to be resized.
  void apply(ImageView image, float* out_chw) const;
  void apply_encoded(std::span<const uint8_t> bytes, float* out_chw) const;
  /// Errors name the path where there is one.
  void apply_source(const ImageSource& source, float* out_chw) const;
  /// The numbers of an RGB picture that has been through the steps already: exactly height() x width().
  void normalise(ImageView rgb, float* out_chw) const;

  int height() const { return height_; }
  int width() const { return width_; }
  const PreprocessOptions& options() const { return options_; }
  int64_t values_per_image() const { return int64_t{3} * height_ * width_; }

  /// Canonical text of every option that changes numbers: equal texts, equal results.
  std::string fingerprint() const;

 private:
  DecodeOptions decoding() const;

  PreprocessOptions options_;
  int height_ = 0;
  int width_ = 0;
  int target_short_side_ = 0;
  std::array<std::array<float, 256>, 3> values_{};  ///< network input of each 8-bit value, per output channel
};

/// Applies to each source, in parallel: out is float (sources, 3, height, width). A DecodeError names the path, or the
/// place of a source without one.
void preprocess_all(const Preprocess& preprocess, std::span<const ImageSource> sources, float* out,
                    const Monitor& monitor = {});

}  // namespace pictrieve
