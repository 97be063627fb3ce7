// A recorded network: plain data without Torch types, from which the runtime builds its plans.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pictrieve/nn/operation.h"

namespace pictrieve {

/// Borrowed float32 parameter; the owner keeps its memory.
struct Weight {
  const float* data = nullptr;
  std::vector<int64_t> shape;
  std::shared_ptr<const void> owner;

  int64_t count() const;
  explicit operator bool() const { return data != nullptr; }
};

/// Numbers of its own, for passes that compute new weights.
Weight owned_weight(std::vector<float> values, std::vector<int64_t> shape);

/// An operation in its place. After fusion, `activation` of any node is applied last, and a Conv2d, Linear or Embedding
/// with a second input adds it before that.
struct Node : Operation {
  std::vector<int> inputs;      ///< nodes whose values this one reads, all earlier in the graph
  std::vector<Weight> weights;  ///< as OpKind says, in order; those left out are empty
  /// Of an AddGrid: the vectors for a picture of this height and width, (height * width, c).
  std::function<Weight(int64_t height, int64_t width)> grid;
};

/// Nodes in an order in which they can be computed.
struct Graph {
  std::vector<Node> nodes;
  std::map<std::string, int> outputs;  ///< node by the name of what it computes

  std::vector<int> use_counts() const;  ///< how many nodes and outputs read each node
};

}  // namespace pictrieve
