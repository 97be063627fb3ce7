#include "pictrieve/nn/convolutional.h"

#include <algorithm>

#include "pictrieve/base/error.h"

namespace pictrieve {
namespace {

constexpr int kClasses = 1000;
constexpr int kMostClasses = 1 << 24;
constexpr int kMostCount = 1 << 12;
constexpr int kWidthStep = 8;
constexpr double kMostWidth = 64;

int checked_count(const std::string& name, int count) {
  require(count <= kMostCount, "network configuration: ", name, ": expected at most ", kMostCount, ", got ", count);
  return count;
}

}  // namespace

Value ConvNorm::forward(Ops& ops, const Value& x) const {
  Value y = ops.conv2d(x, *conv, options);
  if (norm) y = ops.batch_norm(y, *norm);
  return activation == Activation::None ? y : ops.activate(y, activation);
}

int classes_of(const NetworkConfig& config) {
  const int classes = config.integer("num_classes", kClasses);
  require(classes >= 0 && classes <= kMostClasses, "network configuration: num_classes: expected 0 to ", kMostClasses,
          ", got ", classes);
  return classes;
}

int count_of(const NetworkConfig& config, const std::string& name) { return checked_count(name, config.size(name)); }

std::vector<int> counts_of(const NetworkConfig& config, const std::string& name, size_t stages) {
  std::vector<int> counts = config.sizes(name);
  require(counts.size() == stages, "network configuration: ", name, ": expected ", stages, " numbers, got ",
          counts.size());
  for (const int count : counts) checked_count(name, count);
  return counts;
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
