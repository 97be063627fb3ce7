// Networks as graphs with their weights: what the runtime needs of this folder, without Torch types.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pictrieve/nn/bert_config.h"
#include "pictrieve/nn/graph.h"
#include "pictrieve/nn/state_dict.h"

namespace pictrieve {

struct ImageGraph {
  Graph graph;  ///< input "pixels"; outputs "feature_map", "features" and, with a classifier, "logits"
  int dim = 0;
  int classes = 0;
  int input_size = 0;
};

/// Weights are borrowed from the state dict's memory, which the graph keeps. Throws std::invalid_argument for an
/// unknown architecture, FormatError where a key is missing, extra or misshapen, Error where Torch fails.
ImageGraph freeze_image_network(const std::string& architecture, const StateDict& weights);
ImageGraph random_image_network(const std::string& architecture, uint64_t seed);

/// Inputs "ids", "positions" and "segments", output "hidden". Throws std::invalid_argument for sizes that no network
/// has, and otherwise as above.
Graph freeze_text_network(const BertConfig& config, const StateDict& weights);
Graph random_text_network(const BertConfig& config, uint64_t seed);

std::vector<std::string> image_architectures();

}  // namespace pictrieve
