// Records what a network's forward does, without executing it.
#pragma once

#include <string>

#include "pictrieve/nn/ops.h"

namespace pictrieve {

class Recorder final : public Ops {
 public:
  Value input(const std::string& name);
  void output(const std::string& name, const Value& value);
  /// The recorded graph; its weights keep the module's tensors alive.
  Graph take() { return std::move(graph_); }

  Value conv2d(const Value& x, const Layer& layer, const ConvOptions& options) override;
  Value batch_norm(const Value& x, const BatchNorm& layer) override;
  Value activate(const Value& x, Activation activation) override;
  Value add(const Value& a, const Value& b) override;
  Value global_pool(const Value& x) override;
  Value linear(const Value& x, const Layer& layer) override;
  Value layer_norm(const Value& x, const Layer& layer, double epsilon) override;
  Value embedding(const Value& ids, const Layer& table) override;
  Value attention(const Value& queries, const Value& keys, const Value& values, int heads) override;

 private:
  Value append(Node node);
  Graph graph_;
};

}  // namespace pictrieve
