// Passes over a recorded graph that leave fewer, larger operations. None knows any network by name.
#pragma once

#include <string>
#include <vector>

#include "pictrieve/nn/graph.h"

namespace pictrieve {

/// Folds each batch norm into the convolution before it, applies activations where their input is computed, and adds
/// residuals inside the operation that computes the other summand: a Conv2d, Linear or Embedding with a second input
/// adds it before its activation.
Graph fuse_operations(const Graph& graph);

/// Lets an attention whose queries, keys and values are linear in one value compute them in one product: the
/// attention then has one input of three times the width.
Graph merge_attention_inputs(const Graph& graph);

/// The part of the graph that these outputs need.
Graph select_outputs(const Graph& graph, const std::vector<std::string>& names);

/// The part that computes output `to` from output `from`, which becomes an input of the same name.
Graph graph_between(const Graph& graph, const std::string& from, const std::string& to);

}  // namespace pictrieve
