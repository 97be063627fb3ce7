#include "pictrieve/image/augment/steps.h"

#include <algorithm>
#include <cmath>

#include "pictrieve/base/error.h"

namespace pictrieve {
namespace {

template <class... Parts>
struct Overloaded : Parts... {
  using Parts::operator()...;
};

void check_range(const char* name, const Range& range, double low, double high) {
  const bool good = std::isfinite(range.low) && std::isfinite(range.high) && range.low <= range.high;
  require(good && range.low >= low && range.high <= high, name, ": expected low <= high between ", low, " and ", high,
          ", got ", range.low, " to ", range.high);
}

void check_size(const TargetSize& size) {
  constexpr int kLargestSide = 16384;
  const bool own = size.height == 0 && size.width == 0;
  const auto good = [](int side) { return side >= 1 && side <= kLargestSide; };
  require(own || (good(size.height) && good(size.width)), "size: expected 1 to ", kLargestSide, " pixels, got ",
          size.height, " x ", size.width);
}

void check_window(const Range& area, const Range& aspect) {
  check_range("area", area, 1e-6, 1);
  check_range("aspect", aspect, 1e-3, 1e3);
}

void check(const RandomResizedCrop& step) {
  check_window(step.area, step.aspect);
  check_size(step.size);
}
void check(const Fit& step) { check_size(step.size); }
void check(const CentreCrop& step) {
  require(step.fraction >= 0 && step.fraction <= 1, "fraction: expected 0 to 1, got ", step.fraction);
  check_size(step.size);
}
void check(const RandomCrop& step) {
  require(step.padding >= 0 && step.padding <= 4096, "padding: expected 0 to 4096 pixels, got ", step.padding);
  check_size(step.size);
}
void check(const Rotate& step) { check_range("degrees", step.degrees, -360, 360); }
void check(const Affine& step) {
  check_range("degrees", step.degrees, -360, 360);
  check_range("shift_x", step.shift_x, -1, 1);
  check_range("shift_y", step.shift_y, -1, 1);
  check_range("scale", step.scale, 0.01, 100);
  check_range("shear_x", step.shear_x, -80, 80);
  check_range("shear_y", step.shear_y, -80, 80);
}
void check(const ColourJitter& step) {
  check_range("brightness", step.brightness, 0, 100);
  check_range("contrast", step.contrast, 0, 100);
  check_range("saturation", step.saturation, 0, 100);
  check_range("hue", step.hue, -0.5, 0.5);
}
void check(const Blur& step) { check_range("sigma", step.sigma, 0, 100); }
void check(const Jpeg& step) { check_range("quality", step.quality, 1, 100); }
void check(const Noise& step) { check_range("deviation", step.deviation, 0, 255); }
void check(const Erase& step) { check_window(step.area, step.aspect); }
void check(const Solarise& step) { check_range("threshold", step.threshold, 0, 256); }
void check(const Posterise& step) { check_range("bits", step.bits, 1, 8); }
template <class Step>
void check(const Step&) {}  // nothing to go wrong

PixelSize target(const TargetSize& size, PixelSize served) {
  return size.height > 0 ? PixelSize{size.height, size.width} : served;
}

}  // namespace

void check_step(const AugmentStep& step) {
  require(step.probability >= 0 && step.probability <= 1, "probability: expected 0 to 1, got ", step.probability);
  std::visit([](const auto& operation) { check(operation); }, step.operation);
}

std::optional<PixelSize> size_after(const AugmentStep& step, std::optional<PixelSize> before, PixelSize served) {
  using Known = std::optional<PixelSize>;
  const Known after = std::visit(Overloaded{[&](const RandomResizedCrop& s) -> Known { return target(s.size, served); },
                                            [&](const Fit& s) -> Known { return target(s.size, served); },
                                            [&](const RandomCrop& s) -> Known { return target(s.size, served); },
                                            [&](const AsServed&) -> Known { return served; },
                                            [&](const CentreCrop& s) -> Known {
                                              if (s.fraction == 0) return target(s.size, served);
                                              return before ? fraction_of(*before, s.fraction) : before;
                                            },
                                            [&](const auto&) -> Known { return before; }},
                                 step.operation);
  const bool same = before && after && before->height == after->height && before->width == after->width;
  if (step.probability < 1 && !same) return std::nullopt;  // either
  return after;
}

PixelSize fraction_of(PixelSize size, double fraction) {
  const auto part = [fraction](int64_t side) {
    return std::max<int64_t>(1, std::llrint(fraction * static_cast<double>(side)));
  };
  return {part(size.height), part(size.width)};
}

}  // namespace pictrieve
