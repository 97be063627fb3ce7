// The vocabulary that every network's forward is written in, once, for training and for serving.
#pragma once

#include <torch/types.h>

#include "pictrieve/nn/graph.h"
#include "pictrieve/nn/layers.h"

namespace pictrieve {

/// What flows between operations: a tensor where they are executed, a node where they are recorded.
struct Value {
  torch::Tensor tensor;
  int node = -1;
};

/// Executes (TorchOps) or records (Recorder) each operation. Pictures are (n, channels, height, width); tokens are
/// (n, length, dim).
class Ops {
 public:
  virtual ~Ops() = default;

  virtual Value conv2d(const Value& x, const Layer& layer, const ConvOptions& options) = 0;
  virtual Value batch_norm(const Value& x, const BatchNorm& layer) = 0;
  virtual Value activate(const Value& x, Activation activation) = 0;
  virtual Value add(const Value& a, const Value& b) = 0;
  virtual Value global_pool(const Value& x) = 0;  ///< mean over height and width: (n, channels)
  virtual Value linear(const Value& x, const Layer& layer) = 0;
  virtual Value layer_norm(const Value& x, const Layer& layer, double epsilon) = 0;
  virtual Value embedding(const Value& ids, const Layer& table) = 0;
  /// Softmax attention of `heads` heads within each text, scaled by the square root of a head's size.
  virtual Value attention(const Value& queries, const Value& keys, const Value& values, int heads) = 0;
};

}  // namespace pictrieve
