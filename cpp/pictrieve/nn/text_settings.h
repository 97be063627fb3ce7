// Settings that every text network reads, checked.
#pragma once

#include <string>

#include "pictrieve/nn/network_config.h"

namespace pictrieve {

/// Throw std::invalid_argument that names the settings.
int layers_of(const NetworkConfig& config, const std::string& name);
/// Number of attention heads, which divides the width.
int heads_of(const NetworkConfig& config, const std::string& name, const std::string& width_name);
/// Positive.
double epsilon_of(const NetworkConfig& config, const std::string& name, double otherwise);
/// Probability of dropping a number while training.
double dropout_of(const NetworkConfig& config, const std::string& name, double otherwise);
/// Refuses a switch that would make it a network that we do not have.
void refuse(const NetworkConfig& config, const std::string& name, bool value);

}  // namespace pictrieve
