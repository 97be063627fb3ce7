#include "pictrieve/image/augment/run_step.h"

#include <algorithm>
#include <cmath>

#include "pictrieve/base/error.h"
#include "pictrieve/image/augment/colour.h"
#include "pictrieve/image/augment/disturb.h"
#include "pictrieve/image/augment/geometry.h"
#include "pictrieve/image/augment/windows.h"
#include "pictrieve/image/codec.h"

namespace pictrieve {
namespace {

PixelSize target(const TargetSize& size, const Preprocess& served) {
  return size.height > 0 ? PixelSize{size.height, size.width} : PixelSize{served.height(), served.width()};
}

/// Offset of a crop in the middle, rounded as in torchvision: half a pixel to the even side.
int middle(int64_t whole, int64_t part) {
  return static_cast<int>(std::nearbyint(static_cast<double>(whole - part) / 2.0));
}

/// The same place in a picture of another size.
Window moved(const Window& window, PixelSize from, PixelSize to) {
  if (from.height == to.height && from.width == to.width) return window;
  const auto place = [](int64_t pixel, int64_t whole, int64_t new_whole) {
    return static_cast<int>(std::llrint(static_cast<double>(pixel * new_whole) / static_cast<double>(whole)));
  };
  const int top = std::min(place(window.top, from.height, to.height), static_cast<int>(to.height) - 1);
  const int left = std::min(place(window.left, from.width, to.width), static_cast<int>(to.width) - 1);
  return {top, left, std::max(1, place(int64_t{window.top} + window.height, from.height, to.height) - top),
          std::max(1, place(int64_t{window.left} + window.width, from.width, to.width) - left)};
}

/// Whole numbers of a range, each as likely as the other.
int whole_number(const Range& range, RandomStream& random) {
  const auto low = static_cast<int64_t>(std::ceil(range.low)), high = static_cast<int64_t>(std::floor(range.high));
  return static_cast<int>(std::min(low + random.below(std::max<int64_t>(1, high - low + 1)), std::max(low, high)));
}

/// Size that covers the target in one side and is at least as long in the other; cut off as in torchvision.
PixelSize covering(PixelSize from, PixelSize to) {
  if (from.height * to.width <= to.height * from.width) return {to.height, to.height * from.width / from.height};
  return {to.width * from.height / from.width, to.width};
}

/// Size that fits into the target in one side and is at most as long in the other, as PIL.ImageOps.contain.
PixelSize contained(PixelSize from, PixelSize to) {
  const double height = static_cast<double>(from.height), width = static_cast<double>(from.width);
  if (width / height > static_cast<double>(to.width) / static_cast<double>(to.height))
    return {std::max<int64_t>(1, std::llrint(height / width * static_cast<double>(to.width))), to.width};
  return {to.height, std::max<int64_t>(1, std::llrint(width / height * static_cast<double>(to.height)))};
}

class StepRunner {
 public:
  StepRunner(const Preprocess& served, RandomStream& random, Canvas& canvas)
      : served_(served), random_(random), canvas_(canvas) {}

  void operator()(const RandomResizedCrop& step) const {
    const Window window = random_part(canvas_.nominal(), step.area, step.aspect, random_);
    canvas_.crop(moved(window, canvas_.nominal(), canvas_.size()));
    resize(target(step.size, served_));
  }

  void operator()(const Fit& step) const {
    const PixelSize to = target(step.size, served_), from = canvas_.size();
    if (step.mode == FitMode::Stretch) return resize(to);
    if (step.mode == FitMode::Pad) {
      resize(contained(from, to));
      const PixelSize part = canvas_.size();
      const int top = middle(to.height, part.height), left = middle(to.width, part.width);
      return canvas_.set(
          placed(canvas_.view(), static_cast<int>(to.height), static_cast<int>(to.width), top, left, step.fill));
    }
    const PixelSize whole = covering(from, to);
    resize(whole, {middle(whole.height, to.height), middle(whole.width, to.width), static_cast<int>(to.height),
                   static_cast<int>(to.width)});
  }

  void operator()(const CentreCrop& step) const {
    centre(step.fraction > 0 ? fraction_of(canvas_.size(), step.fraction) : target(step.size, served_), step.fill);
  }

  void operator()(const RandomCrop& step) const {
    const PixelSize to = target(step.size, served_), from = canvas_.size();
    // A picture that is too small even with its border gets a wider one.
    const auto draw = [&](int64_t whole, int64_t part) {
      const int64_t border = std::max<int64_t>(step.padding, (part - whole + 1) / 2);
      return static_cast<int>(border - random_.below(whole + 2 * border - part + 1));
    };
    const int top = draw(from.height, to.height), left = draw(from.width, to.width);
    canvas_.set(placed(canvas_.view(), static_cast<int>(to.height), static_cast<int>(to.width), top, left, step.fill));
  }

  void operator()(const AsServed&) const { canvas_.set(run_steps(canvas_.view(), served_.options())); }
  void operator()(const Flip& step) const { step.vertical ? flip_down(canvas_.own()) : flip_across(canvas_.own()); }

  void operator()(const Rotate& step) const {
    const ImageView view = canvas_.view();
    const double degrees = random_.uniform(step.degrees);
    canvas_.set(warped(view, rotation_matrix(degrees, view.height, view.width), step.fill));
  }

  void operator()(const Affine& step) const {
    const ImageView view = canvas_.view();
    AffineMove move;
    move.degrees = random_.uniform(step.degrees);
    move.shift_x = random_.uniform(step.shift_x) * view.width;
    move.shift_y = random_.uniform(step.shift_y) * view.height;
    move.scale = random_.uniform(step.scale);
    move.shear_x = random_.uniform(step.shear_x);
    move.shear_y = random_.uniform(step.shear_y);
    canvas_.set(warped(view, affine_matrix(move, view.height, view.width), step.fill));
  }

  void operator()(const ColourJitter& step) const {
    const auto draw = [&](const Range& range) { return static_cast<float>(random_.uniform(range)); };
    const std::array<float, 4> amounts{draw(step.brightness), draw(step.contrast), draw(step.saturation),
                                       draw(step.hue)};
    std::array<int, 4> order{0, 1, 2, 3};
    for (int i = 3; i > 0; --i) std::swap(order[i], order[random_.below(i + 1)]);
    for (const int kind : order) {
      const float amount = amounts[kind];
      if (amount == (kind == 3 ? 0.0F : 1.0F)) continue;
      if (kind == 0) adjust_brightness(canvas_.own(), amount);
      if (kind == 1) adjust_contrast(canvas_.own(), amount);
      if (kind == 2) adjust_saturation(canvas_.own(), amount);
      if (kind == 3) adjust_hue(canvas_.own(), amount);
    }
  }

  void operator()(const Greyscale&) const { make_grey(canvas_.own()); }
  void operator()(const Blur& step) const { canvas_.set(blurred(canvas_.view(), random_.uniform(step.sigma))); }
  void operator()(const Jpeg& step) const {
    canvas_.set(decode(encode_jpeg(canvas_.view(), whole_number(step.quality, random_))));
  }
  void operator()(const Noise& step) const {
    const double deviation = random_.uniform(step.deviation);
    add_noise(canvas_.own(), deviation, random_);
  }

  void operator()(const Erase& step) const {
    const Window window = random_hole(canvas_.size(), step.area, step.aspect, random_);
    const Image& image = canvas_.own();
    if (step.fill == EraseFill::Noise) return fill_with_noise(image, window, random_);
    const Colour colour = step.fill == EraseFill::Mean ? mean_colour() : step.colour;
    for (int y = window.top; y < window.top + window.height; ++y)
      for (int x = window.left; x < window.left + window.width; ++x)
        std::copy(colour.begin(), colour.end(), image.row(y) + int64_t{3} * x);
  }

  void operator()(const Solarise& step) const { solarise(canvas_.own(), random_.uniform(step.threshold)); }
  void operator()(const Posterise& step) const { posterise(canvas_.own(), whole_number(step.bits, random_)); }

 private:
  void resize(PixelSize to) const { resize(to, {0, 0, static_cast<int>(to.height), static_cast<int>(to.width)}); }

  void resize(PixelSize whole, const Window& window) const {
    constexpr int64_t kLargestSide = 1 << 30;
    const ImageView view = canvas_.view();
    require<DecodeError>(std::max(whole.height, whole.width) <= kLargestSide, "resize: the picture of ", view.height,
                         " x ", view.width, " is too thin");
    const int height = static_cast<int>(whole.height), width = static_cast<int>(whole.width);
    const PreprocessOptions& options = served_.options();
    canvas_.set(options.antialias ? resize_window(view, height, width, options.interpolation, window)
                                  : resize_sharp(view, height, width, options.interpolation, window));
  }

  /// Crops, or fills up, to the size, about the middle.
  void centre(PixelSize to, const Colour& fill) const {
    const PixelSize from = canvas_.size();
    const int top = middle(from.height, to.height), left = middle(from.width, to.width);
    const int height = static_cast<int>(to.height), width = static_cast<int>(to.width);
    if (to.height <= from.height && to.width <= from.width) return canvas_.crop({top, left, height, width});
    // Of an odd border the larger half comes behind the picture.
    const int above = to.height > from.height ? static_cast<int>(to.height - from.height) / 2 : -top;
    const int before = to.width > from.width ? static_cast<int>(to.width - from.width) / 2 : -left;
    canvas_.set(placed(canvas_.view(), height, width, above, before, fill));
  }

  Colour mean_colour() const {
    const PreprocessOptions& options = served_.options();
    Colour colour{};
    for (int c = 0; c < 3; ++c) {
      const float level = options.mean[options.bgr ? 2 - c : c] * options.divisor;
      colour[c] = static_cast<uint8_t>(std::lrint(std::clamp(level, 0.0F, 255.0F)));
    }
    return colour;
  }

  const Preprocess& served_;
  RandomStream& random_;
  Canvas& canvas_;
};

/// How many pixels of either side become one, at least, where a window of this size is brought to `to`.
double shrinking(FitMode mode, PixelSize from, PixelSize to) {
  const double down = static_cast<double>(from.height) / static_cast<double>(to.height);
  const double across = static_cast<double>(from.width) / static_cast<double>(to.width);
  return mode == FitMode::Pad ? std::max(down, across) : std::min(down, across);
}

}  // namespace

void run_step(const AugmentStep& step, const Preprocess& served, RandomStream random, Canvas& canvas) {
  const bool happens = random.happens(step.probability);
  if (happens) std::visit(StepRunner(served, random, canvas), step.operation);
}

int needed_short_side(const AugmentStep& step, const Preprocess& served, RandomStream random, PixelSize picture) {
  if (!random.happens(step.probability)) return 0;
  double pixels = 0;
  if (std::holds_alternative<AsServed>(step.operation)) {
    return needed_short_side(served.options().steps);
  } else if (const auto* fit = std::get_if<Fit>(&step.operation)) {
    pixels = shrinking(fit->mode, picture, target(fit->size, served));
  } else if (const auto* crop = std::get_if<RandomResizedCrop>(&step.operation)) {
    const Window window = random_part(picture, crop->area, crop->aspect, random);
    pixels = shrinking(FitMode::Crop, {window.height, window.width}, target(crop->size, served));
  }
  // One number for each reduction, so that views of one reduction share the decoded picture.
  const auto side = static_cast<int>(std::min(picture.height, picture.width));
  for (const int reduction : {8, 4, 2})
    if (pixels >= 2 * reduction) return (side + reduction - 1) / reduction / 2;
  return 0;
}

}  // namespace pictrieve
