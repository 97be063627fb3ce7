// Executes networks with Torch's operators: for training, and as the reference of the fused plans.
#pragma once

#include "pictrieve/nn/ops.h"

namespace pictrieve {

class TorchOps final : public Ops {
 public:
  TorchOps() = default;
  /// `mask` (n, length) is true where a token counts; attention ignores the others.
  explicit TorchOps(torch::Tensor mask) : mask_(std::move(mask)) {}

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
  torch::Tensor mask_;
};

}  // namespace pictrieve
