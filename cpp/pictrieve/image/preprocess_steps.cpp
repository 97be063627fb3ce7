#include "pictrieve/image/preprocess_steps.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "pictrieve/base/error.h"
#include "pictrieve/image/pixels.h"

namespace pictrieve {
namespace {

/// Python's round() of half a number of pixels: ties go to the even neighbour.
int rounded_half(int64_t twice) { return static_cast<int>(std::nearbyint(static_cast<double>(twice) / 2.0)); }

PixelSize resized(PixelSize from, const ResizeStep& step) {
  if (step.mode == ResizeMode::Stretch) return {step.height, step.width};
  const double height = static_cast<double>(from.height), width = static_cast<double>(from.width);
  PixelSize to{step.height, step.width};
  if (step.mode == ResizeMode::Shortest) {
    const int64_t side = int64_t{step.height} * std::max(from.height, from.width) / std::min(from.height, from.width);
    to = from.height <= from.width ? PixelSize{step.height, side} : PixelSize{side, step.height};
  } else if (width / height > static_cast<double>(step.width) / step.height) {  // as PIL.ImageOps.contain
    to.height = std::max<int64_t>(1, std::llrint(height / width * step.width));
  } else {
    to.width = std::max<int64_t>(1, std::llrint(width / height * step.height));
  }
  return to;
}

/// `image` centred on a canvas, as by PIL.ImageOps.pad; `after` adds the odd pixel behind the picture, as torchvision
/// does.
Image centred(ImageView image, int height, int width, int value, bool odd_after) {
  Image canvas(height, width, image.channels);
  std::memset(canvas.data(), value, static_cast<size_t>(height * canvas.row_stride()));
  const int spare_rows = height - image.height, spare_columns = width - image.width;
  const int top = odd_after ? spare_rows / 2 : rounded_half(spare_rows);
  const int left = odd_after ? spare_columns / 2 : rounded_half(spare_columns);
  for (int y = 0; y < image.height; ++y)
    std::memcpy(canvas.row(top + y) + int64_t{left} * image.channels, image.row(y),
                size_t(image.width) * image.channels);
  return canvas;
}

Window centre(PixelSize from, const CropStep& step) {
  return {rounded_half(from.height - step.height), rounded_half(from.width - step.width), step.height, step.width};
}

/// State between steps.
class Runner {
 public:
  Runner(ImageView image, const PreprocessOptions& options) : current_{image, {}}, options_(options) {}

  SteppedImage run() {
    const auto& steps = options_.steps;
    for (size_t i = 0; i < steps.size(); ++i) {
      if (const auto* crop = std::get_if<CropStep>(&steps[i])) {
        apply(*crop);
      } else if (const auto& resize = std::get<ResizeStep>(steps[i]); fuses(resize, i + 1)) {
        apply(resize, std::get<CropStep>(steps[++i]));
      } else {
        apply(resize);
      }
    }
    return current_;
  }

 private:
  PixelSize size() const { return {current_.view.height, current_.view.width}; }

  void keep(Image image) {
    current_.pixels = std::move(image);
    current_.view = current_.pixels;
  }

  /// Where the picture is too thin for the step, that is a fault of the picture.
  PixelSize resized_checked(const ResizeStep& step) const {
    constexpr int64_t kLargestSide = 1 << 30;
    const PixelSize from = size(), to = resized(from, step);
    require<DecodeError>(std::max(to.height, to.width) <= kLargestSide, "resize: the picture of ", from.height, " x ",
                         from.width, " is too thin for a short side of ", step.height);
    return to;
  }

  /// A crop in pixels right behind a resize needs only its part of the resized picture.
  bool fuses(const ResizeStep& step, size_t next) const {
    if (step.mode == ResizeMode::Pad || next >= options_.steps.size()) return false;
    const auto* crop = std::get_if<CropStep>(&options_.steps[next]);
    const PixelSize to = resized_checked(step);
    return crop != nullptr && crop->fraction == 0 && crop->height <= to.height && crop->width <= to.width;
  }

  Image resize_part(PixelSize to, const Window& window) const {
    const int height = static_cast<int>(to.height), width = static_cast<int>(to.width);
    if (!options_.antialias) return resize_sharp(current_.view, height, width, options_.interpolation, window);
    return resize_window(current_.view, height, width, options_.interpolation, window);
  }

  void apply(const ResizeStep& step, const CropStep& crop) {
    const PixelSize to = resized_checked(step);
    keep(resize_part(to, centre(to, crop)));
  }

  void apply(const ResizeStep& step) {
    constexpr int64_t kMostPixels = 178'956'970;
    const PixelSize to = resized_checked(step);
    require<DecodeError>(to.height * to.width <= kMostPixels, "resize: ", to.height, " x ", to.width,
                         " pixels are too many");
    keep(resize_part(to, {0, 0, static_cast<int>(to.height), static_cast<int>(to.width)}));
    if (step.mode == ResizeMode::Pad) keep(centred(current_.view, step.height, step.width, step.pad_value, false));
  }

  void apply(const CropStep& step) {
    if (step.fraction > 0) {
      const ImageView from = current_.view;
      const int side = std::max(1, static_cast<int>(step.fraction * std::min(from.height, from.width)));
      current_.view = crop_view(from, (from.height - side + 1) / 2, (from.width - side + 1) / 2, side, side);
      return;
    }
    const int height = std::max(step.height, current_.view.height), width = std::max(step.width, current_.view.width);
    if (height > current_.view.height || width > current_.view.width)
      keep(centred(current_.view, height, width, 0, true));
    const Window window = centre(size(), step);
    current_.view = crop_view(current_.view, window.top, window.left, window.height, window.width);
  }

  SteppedImage current_;
  const PreprocessOptions& options_;
};

}  // namespace

std::optional<PixelSize> fixed_size(std::span<const PreprocessStep> steps) {
  std::optional<PixelSize> size;
  for (const PreprocessStep& step : steps) {
    if (const auto* resize = std::get_if<ResizeStep>(&step)) {
      if (resize->mode != ResizeMode::Shortest)
        size = PixelSize{resize->height, resize->width};
      else if (size)
        size = resized(*size, *resize);
    } else if (const auto& crop = std::get<CropStep>(step); crop.fraction == 0) {
      size = PixelSize{crop.height, crop.width};
    } else if (size) {
      const auto side = std::max<int64_t>(
          1, static_cast<int64_t>(crop.fraction * static_cast<double>(std::min(size->height, size->width))));
      size = PixelSize{side, side};
    }
  }
  // A square of unknown side becomes known by a resize to the shortest side, too.
  if (!size && steps.size() >= 2) {
    const auto* resize = std::get_if<ResizeStep>(&steps.back());
    const auto* crop = std::get_if<CropStep>(&steps[steps.size() - 2]);
    if (resize != nullptr && crop != nullptr && crop->fraction > 0) return PixelSize{resize->height, resize->height};
  }
  return size;
}

int needed_short_side(std::span<const PreprocessStep> steps) {
  double kept = 1.0;  // part of the short side that reaches the first resize
  for (const PreprocessStep& step : steps) {
    if (const auto* resize = std::get_if<ResizeStep>(&step)) {
      const int side = resize->mode == ResizeMode::Shortest ? resize->height : std::max(resize->height, resize->width);
      return static_cast<int>(std::min(std::ceil(side / kept), 1e9));  // larger than any picture
    }
    const auto& crop = std::get<CropStep>(step);
    if (crop.fraction == 0) return 0;
    kept *= crop.fraction;
  }
  return 0;
}

SteppedImage run_steps(ImageView image, const PreprocessOptions& options) { return Runner(image, options).run(); }

}  // namespace pictrieve
