#include "pictrieve/image/preprocess.h"

#include <array>
#include <charconv>
#include <cmath>

#include "pictrieve/base/error.h"
#include "pictrieve/image/preprocess_steps.h"

namespace pictrieve {
namespace {

constexpr int kLargestSide = 16384;

void check_step(const PreprocessStep& step) {
  const auto check_side = [](const char* what, int side) {
    require(side >= 1 && side <= kLargestSide, what, ": expected 1 to ", kLargestSide, " pixels, got ", side);
  };
  if (const auto* resize = std::get_if<ResizeStep>(&step)) {
    check_side("resize", resize->height);
    if (resize->mode != ResizeMode::Shortest) check_side("resize", resize->width);
    require(resize->pad_value >= 0 && resize->pad_value <= 255, "pad_value: expected 0 to 255, got ",
            resize->pad_value);
    return;
  }
  const auto& crop = std::get<CropStep>(step);
  require(crop.fraction >= 0 && crop.fraction <= 1, "crop: expected a fraction of at most 1, got ", crop.fraction);
  if (crop.fraction == 0) check_side("crop", crop.height);
  if (crop.fraction == 0) check_side("crop", crop.width);
}

void check_options(const PreprocessOptions& options) {
  for (const PreprocessStep& step : options.steps) check_step(step);
  require(std::isfinite(options.divisor) && options.divisor != 0, "divisor: expected a number other than 0, got ",
          options.divisor);
  for (int c = 0; c < 3; ++c) {
    require(std::isfinite(options.mean[c]), "mean: expected finite numbers, got ", options.mean[c]);
    require(std::isfinite(options.std[c]) && options.std[c] != 0, "std: expected numbers other than 0, got ",
            options.std[c]);
  }
  const bool sharp_kind =
      options.interpolation == Interpolation::Bilinear || options.interpolation == Interpolation::Bicubic;
  require(options.antialias || sharp_kind, "antialias=false: expected bilinear or bicubic, got ",
          name_of(options.interpolation));
}

/// Shortest text that reads back as the same number, whatever the locale.
template <typename T>
std::string exact_text(T number) {
  std::array<char, 40> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
  return {text.data(), end};
}

std::string exact_text(const std::array<float, 3>& numbers) {
  return exact_text(numbers[0]) + "," + exact_text(numbers[1]) + "," + exact_text(numbers[2]);
}

std::string text_of(const PreprocessStep& step) {
  if (const auto* crop = std::get_if<CropStep>(&step)) {
    if (crop->fraction > 0) return "crop=" + exact_text(crop->fraction);
    return message("crop=", crop->height, "x", crop->width);
  }
  const auto& resize = std::get<ResizeStep>(step);
  if (resize.mode == ResizeMode::Shortest) return message("resize=shortest:", resize.height);
  const std::string size = message(resize.height, "x", resize.width);
  return resize.mode == ResizeMode::Stretch ? "resize=stretch:" + size
                                            : message("resize=pad:", size, ":", resize.pad_value);
}

}  // namespace

Preprocess::Preprocess(PreprocessOptions options) : options_(std::move(options)) {
  check_options(options_);
  const auto size = fixed_size(options_.steps);
  require(
      size.has_value(),
      "steps: expected an end at one size for all pictures, got one that follows the picture; add a crop in pixels, or "
      "resize by stretch or pad");
  height_ = static_cast<int>(size->height);
  width_ = static_cast<int>(size->width);
  target_short_side_ = options_.scaled_decode ? needed_short_side(options_.steps) : 0;
  for (int c = 0; c < 3; ++c)
    for (int value = 0; value < 256; ++value)
      values_[c][value] = (static_cast<float>(value) / options_.divisor - options_.mean[c]) / options_.std[c];
}

void Preprocess::apply(ImageView image, float* out_chw) const {
  require(image.height > 0 && image.width > 0, "picture: expected at least 1 x 1 pixels, got ", image.height, " x ",
          image.width);
  Image rgb;
  if (image.channels != 3) image = rgb = to_rgb(image, options_.alpha);
  normalise(run_steps(image, options_).view, out_chw);
}

void Preprocess::normalise(ImageView rgb, float* out_chw) const {
  for (int c = 0; c < 3; ++c) {
    const std::array<float, 256>& values = values_[c];
    float* plane = out_chw + int64_t{c} * height_ * width_;
    for (int y = 0; y < height_; ++y) {
      const uint8_t* pixel = rgb.row(y) + (options_.bgr ? 2 - c : c);
      for (int x = 0; x < width_; ++x, pixel += 3) *plane++ = values[*pixel];
    }
  }
}

DecodeOptions Preprocess::decoding() const {
  DecodeOptions decoding;
  decoding.apply_exif = options_.apply_exif;
  decoding.alpha = options_.alpha;
  decoding.target_short_side = target_short_side_;
  return decoding;
}

void Preprocess::apply_encoded(std::span<const uint8_t> bytes, float* out_chw) const {
  apply(decode(bytes, decoding()), out_chw);
}

void Preprocess::apply_source(const ImageSource& source, float* out_chw) const {
  if (const auto* pixels = std::get_if<ImageView>(&source)) return apply(*pixels, out_chw);
  if (const auto* bytes = std::get_if<std::span<const uint8_t>>(&source)) return apply_encoded(*bytes, out_chw);
  const auto& path = std::get<std::string>(source);
  const std::vector<uint8_t> bytes = read_file(path);
  try {
    apply_encoded(bytes, out_chw);
  } catch (const DecodeError& e) {
    throw DecodeError(path + ": " + e.what());
  }
}

std::string Preprocess::fingerprint() const {
  std::string text;
  for (const PreprocessStep& step : options_.steps) text += text_of(step) + ";";
  return message(text, "interpolation=", name_of(options_.interpolation), ";antialias=", options_.antialias,
                 ";decode=", options_.scaled_decode ? "scaled" : "exact", ";divisor=", exact_text(options_.divisor),
                 ";mean=", exact_text(options_.mean), ";std=", exact_text(options_.std),
                 ";order=", options_.bgr ? "bgr" : "rgb", ";exif=", options_.apply_exif,
                 ";alpha=", name_of(options_.alpha));
}

void preprocess_all(const Preprocess& preprocess, std::span<const ImageSource> sources, float* out,
                    const Monitor& monitor) {
  const auto body = [&](int64_t begin, int64_t end, Worker worker) {
    for (int64_t i = begin; i < end && !worker.should_stop(); ++i) {
      try {
        preprocess.apply_source(sources[i], out + i * preprocess.values_per_image());
      } catch (const DecodeError& e) {
        if (std::holds_alternative<std::string>(sources[i])) throw;
        throw DecodeError(message("image ", i, ": ", e.what()));
      }
    }
  };
  parallel_for(static_cast<int64_t>(sources.size()), 1, body, monitor);
}

}  // namespace pictrieve
