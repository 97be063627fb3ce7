// Records what a network's forward does, without executing it.
#pragma once

#include <string>

#include "pictrieve/nn/graph.h"
#include "pictrieve/nn/ops.h"

namespace pictrieve {

class Recorder final : public Ops {
 public:
  Value input(const std::string& name);
  void output(const std::string& name, const Value& value);
  /// The recorded graph; its weights keep the module's tensors alive.
  Graph take() { return std::move(graph_); }

  Value dropout(const Value& x, double) override { return x; }
  Value drop_path(const Value& x, double) override { return x; }

 protected:
  Value apply(const Operation& operation, const Values& inputs, const std::vector<torch::Tensor>& weights) override;
  Value apply_grid(const Value& x, GridFunction grid) override;
  Value apply_batch_norm(const Value& x, const BatchNorm& layer) override;

 private:
  Value append(Node node);
  Graph graph_;
};

}  // namespace pictrieve
