// What the files of convolutional networks share.
#pragma once

#include <memory>
#include <string>
#include <vector>

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

/// num_classes, 1000 unless set; 0 makes a network without a classifier.
int classes_of(const NetworkConfig& config);
/// The number under `name`, at most 4096: of blocks, say.
int count_of(const NetworkConfig& config, const std::string& name);
/// As many of them as there are stages.
std::vector<int> counts_of(const NetworkConfig& config, const std::string& name, size_t stages);
/// A share of numbers that dropout drops, 0 to 1.
double dropout_of(const NetworkConfig& config, const std::string& name, double otherwise);

/// `channels` times `factor`, rounded to a multiple of 8 but never down by more than 10 % (the rule of MobileNets).
int scaled_channels(int channels, double factor);
/// depth_multiplier: the factor of all widths of a MobileNet.
double width_factor(const NetworkConfig& config);

}  // namespace pictrieve
