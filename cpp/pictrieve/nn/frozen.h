// Networks as graphs with their weights: what the runtime needs of this folder, without Torch types.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pictrieve/nn/graph.h"
#include "pictrieve/nn/network_config.h"
#include "pictrieve/nn/network_facts.h"
#include "pictrieve/nn/state_dict.h"

namespace pictrieve {

struct ImageGraph : ImageFacts {
  Graph graph;  ///< input "pixels"; outputs "feature_map", "features" and, with a classifier, "logits"
};

struct TextGraph : TextFacts {
  Graph graph;       ///< inputs "ids", "positions" and "segments", output "hidden"
  Graph projection;  ///< input "pooled", output "projected"; no nodes where nothing follows pooling
};

/// Weights, in any layout that the architecture's family knows, are borrowed from the state dict's memory, which the
/// graph keeps. Throws std::invalid_argument for an unknown architecture or settings that make no network, FormatError
/// where a key is missing, extra or misshapen, Error where Torch fails.
ImageGraph freeze_image_network(const std::string& architecture, const NetworkConfig& config, const StateDict& weights);
ImageGraph random_image_network(const std::string& architecture, const NetworkConfig& config, uint64_t seed);
TextGraph freeze_text_network(const std::string& architecture, const NetworkConfig& config, const StateDict& weights);
TextGraph random_text_network(const std::string& architecture, const NetworkConfig& config, uint64_t seed);

/// Of a network without weights.
ImageFacts image_facts(const std::string& architecture, const NetworkConfig& config);

/// Families and variants by name.
std::vector<std::string> image_architectures();
std::vector<std::string> text_architectures();

}  // namespace pictrieve
