// What tells EfficientNets apart, and what other libraries call their parameters.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "pictrieve/nn/key_map.h"
#include "pictrieve/nn/network_config.h"

namespace pictrieve {

/// Blocks of one width; the first of them takes the stride.
struct EfficientNetStage {
  int blocks = 1;
  int kernel = 3;
  int stride = 1;
  int expansion = 1;  ///< of the channels within a block
  int channels = 0;   ///< that come out
};

/// The stages, scaled by the coefficients.
std::vector<EfficientNetStage> efficientnet_stages(const NetworkConfig& config);
/// Channels after the first and the last convolution.
int efficientnet_stem(const NetworkConfig& config);
int efficientnet_head(const NetworkConfig& config);

std::map<std::string, NetworkConfig> efficientnet_variants();
std::vector<Layout> efficientnet_layouts();

}  // namespace pictrieve
