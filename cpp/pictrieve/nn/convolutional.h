// What the files of convolutional networks share.
#pragma once

#include <memory>

#include "pictrieve/nn/network_config.h"
#include "pictrieve/nn/ops.h"

namespace pictrieve {

/// A convolution with its batch norm, if it has one, and an activation.
struct ConvNorm {
  std::shared_ptr<Layer> conv;
  std::shared_ptr<BatchNorm> norm;
  ConvOptions options{};
  Activation activation = Activation::None;

  Value forward(Ops& ops, const Value& x) const;
};

/// `channels` times `factor`, rounded to a multiple of 8 but never down by more than 10 % (the rule of MobileNets).
int scaled_channels(int channels, double factor);
/// depth_multiplier: the factor of all widths of a MobileNet.
double width_factor(const NetworkConfig& config);

}  // namespace pictrieve
