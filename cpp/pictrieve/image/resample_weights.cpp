#include "pictrieve/image/resample_weights.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "pictrieve/base/error.h"

namespace pictrieve {
namespace {

struct Filter {
  double (*weight)(double);
  double support;
};

double box(double x) { return x > -0.5 && x <= 0.5 ? 1.0 : 0.0; }

double triangle(double x) { return std::max(0.0, 1.0 - std::abs(x)); }

/// Keys 1981, "Cubic convolution interpolation", with a = -0.5.
double cubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

double lanczos3(double x) { return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0; }

Filter filter_of(Interpolation interpolation) {
  switch (interpolation) {
    case Interpolation::Box:
      return {box, 0.5};
    case Interpolation::Bilinear:
      return {triangle, 1.0};
    case Interpolation::Bicubic:
      return {cubic, 2.0};
    case Interpolation::Lanczos:
      return {lanczos3, 3.0};
    case Interpolation::Nearest:
      break;
  }
  throw std::invalid_argument("nearest has no weights");
}

/// Rounds halves away from zero.
int32_t fixed_point(double weight) {
  const double scaled = weight * (1 << kWeightBits);
  return static_cast<int32_t>(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
}

}  // namespace

int AxisWeights::end() const {
  int last = 0;
  for (int i = 0; i < size(); ++i) last = std::max(last, begin[i] + count[i]);
  return last;
}

AxisWeights axis_weights(int source, int target, Interpolation interpolation, int first, int count) {
  const Filter filter = filter_of(interpolation);
  const double scale = static_cast<double>(source) / target;
  const double stretch = std::max(scale, 1.0);  // the filter widens when shrinking: antialias
  const double support = filter.support * stretch;
  AxisWeights axis;
  axis.stride = static_cast<int>(std::ceil(support)) * 2 + 1;
  axis.begin.resize(count);
  axis.count.resize(count);
  axis.weights.assign(static_cast<size_t>(count) * axis.stride, 0);
  std::vector<double> exact(axis.stride);
  for (int i = 0; i < count; ++i) {
    const double centre = (first + i + 0.5) * scale;
    const int begin = std::max(0, static_cast<int>(centre - support + 0.5));
    const int taps = std::min(source, static_cast<int>(centre + support + 0.5)) - begin;
    double sum = 0.0;
    for (int k = 0; k < taps; ++k) {
      exact[k] = filter.weight((k + begin - centre + 0.5) * (1.0 / stretch));
      sum += exact[k];
    }
    for (int k = 0; k < taps; ++k)
      axis.weights[static_cast<size_t>(i) * axis.stride + k] = fixed_point(sum != 0.0 ? exact[k] / sum : exact[k]);
    axis.begin[i] = begin;
    axis.count[i] = taps;
  }
  return axis;
}

}  // namespace pictrieve
