// Carries out the steps of a Preprocess on pixels.
#pragma once

#include <optional>
#include <span>

#include "pictrieve/base/image.h"
#include "pictrieve/image/preprocess.h"

namespace pictrieve {

struct PixelSize {
  int64_t height = 0;
  int64_t width = 0;
};

/// Size after the steps where it is the same for every picture.
std::optional<PixelSize> fixed_size(std::span<const PreprocessStep> steps);

/// Short side that a decoded picture needs for the first resize to work on all it uses: the target of DecodeOptions.
/// 0 where the steps count pixels of the original.
int needed_short_side(std::span<const PreprocessStep> steps);

/// The steps of `options`, in order. `pixels` keeps the result alive; it may be `image` itself, seen through a window.
struct SteppedImage {
  ImageView view;
  Image pixels;
};
SteppedImage run_steps(ImageView image, const PreprocessOptions& options);

}  // namespace pictrieve
