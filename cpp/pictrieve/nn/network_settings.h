// Settings that networks of many families read, checked.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "pictrieve/nn/network_config.h"

namespace pictrieve {

// Each throws std::invalid_argument that names the setting.

/// num_classes; 0 makes a network without a classifier.
int classes_of(const NetworkConfig& config, int otherwise = 1000);
/// The number under `name`, at most 4096: of layers, say.
int count_of(const NetworkConfig& config, const std::string& name);
/// As many of them as there are stages, at most 16.
std::vector<int> counts_of(const NetworkConfig& config, const std::string& name, size_t stages);
/// patch_size, at most 1024.
int patch_of(const NetworkConfig& config, int otherwise);
/// Number of attention heads, which divides the width.
int heads_of(const NetworkConfig& config, const std::string& name, const std::string& width_name);
/// mlp_ratio: width of an MLP's hidden layer over that of its input, at most 32.
double mlp_ratio_of(const NetworkConfig& config);
/// Positive.
double epsilon_of(const NetworkConfig& config, const std::string& name, double otherwise);
/// Probability of dropping a number while training.
double dropout_of(const NetworkConfig& config, const std::string& name, double otherwise);
/// Refuses a switch that would make it a network that we do not have.
void refuse(const NetworkConfig& config, const std::string& name, bool value);

}  // namespace pictrieve
