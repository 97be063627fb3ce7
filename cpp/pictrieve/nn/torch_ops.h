// Executes networks with Torch's operators: for training, and as the reference of the fused plans.
#pragma once

#include "pictrieve/nn/ops.h"

namespace pictrieve {

class TorchOps final : public Ops {
 public:
  TorchOps() = default;
  /// `mask` (n, length) is true where a token counts; attention ignores the others.
  explicit TorchOps(torch::Tensor mask) : mask_(std::move(mask)) {}

  bool training = false;  ///< dropout drops, batch norms normalise by the batch and learn its statistics

  Value dropout(const Value& x, double p) override;
  Value drop_path(const Value& x, double p) override;

 protected:
  Value apply(const Operation& operation, const Values& inputs, const std::vector<torch::Tensor>& weights) override;
  Value apply_grid(const Value& x, GridFunction grid) override;
  Value apply_batch_norm(const Value& x, const BatchNorm& layer) override;

 private:
  torch::Tensor mask_;
};

/// Operations that only pictures know, and those over each vector or over tokens; undefined for other kinds.
torch::Tensor apply_to_pictures(const Operation& operation, const std::vector<torch::Tensor>& inputs,
                                const std::vector<torch::Tensor>& weights);
torch::Tensor apply_to_vectors(const Operation& operation, const std::vector<torch::Tensor>& inputs,
                               const std::vector<torch::Tensor>& weights);
torch::Tensor apply_to_tokens(const Operation& operation, const std::vector<torch::Tensor>& inputs,
                              const std::vector<torch::Tensor>& weights);

/// (n, length, dim) or, with a window, (n, dim, height, width); see AttentionOptions. `bias` may be undefined.
torch::Tensor attended(const std::vector<torch::Tensor>& inputs, const AttentionOptions& options,
                       const torch::Tensor& bias, const torch::Tensor& mask);

}  // namespace pictrieve
