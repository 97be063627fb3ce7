#include "pictrieve/nn/convolutional.h"

#include <algorithm>

#include "pictrieve/base/error.h"

namespace pictrieve {
namespace {

constexpr int kWidthStep = 8;
constexpr double kMostWidth = 64;

}  // namespace

Value ConvNorm::forward(Ops& ops, const Value& x) const {
  Value y = ops.conv2d(x, *conv, options);
  if (norm) y = ops.batch_norm(y, *norm);
  return activation == Activation::None ? y : ops.activate(y, activation);
}

int scaled_channels(int channels, double factor) {
  const double wanted = channels * factor;
  const int rounded = std::max(kWidthStep, static_cast<int>(wanted + kWidthStep / 2.0) / kWidthStep * kWidthStep);
  return rounded < 0.9 * wanted ? rounded + kWidthStep : rounded;
}

double width_factor(const NetworkConfig& config) {
  const double factor = config.number("depth_multiplier", 1);
  require(factor > 0 && factor <= kMostWidth, "network configuration: depth_multiplier: expected more than 0, at most ",
          kMostWidth, ", got ", factor);
  return factor;
}

}  // namespace pictrieve
