// Passes over a recorded graph that leave fewer, larger operations. None knows any network by name.
#pragma once

#include <string>
#include <vector>

#include "pictrieve/nn/graph.h"

namespace pictrieve {

/// Folds batch norms and scales into the convolution or linear layer before them (a batch norm after anything else
/// becomes a convolution of single channels), applies activations where their input is computed, and adds residuals
/// inside the operation that computes the other summand: a Conv2d, Linear or Embedding with a second input adds it
/// before its activation.
Graph fuse_operations(const Graph& graph);

/// Lets an attention whose queries, keys and values are linear in one value compute them in one product; where they are
/// the three thirds of one product already, they are read there. The attention then has one input of three times the
/// width.
Graph merge_attention_inputs(const Graph& graph);

/// The part of the graph that these outputs need.
Graph select_outputs(const Graph& graph, const std::vector<std::string>& names);

}  // namespace pictrieve
