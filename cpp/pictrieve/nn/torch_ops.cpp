#include "pictrieve/nn/torch_ops.h"

#include <torch/torch.h>

#include "pictrieve/base/error.h"

namespace pictrieve {
namespace {

torch::Tensor activated(const torch::Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::Relu:
      return torch::relu(x);
    case Activation::Relu6:
      return torch::hardtanh(x, 0, 6);  // clamp computes the same; its backward takes three passes more
    case Activation::Gelu:
      return torch::gelu(x);
    case Activation::GeluTanh:
      return torch::gelu(x, "tanh");
    case Activation::QuickGelu:
      return x * torch::sigmoid(1.702 * x);
    case Activation::Silu:
      return torch::silu(x);
    case Activation::HardSwish:
      return torch::hardswish(x);
    case Activation::HardSigmoid:
      return torch::hardsigmoid(x);
    case Activation::Sigmoid:
      return torch::sigmoid(x);
    case Activation::Tanh:
      return torch::tanh(x);
    case Activation::None:
      break;
  }
  return x;
}

/// The vectors of a picture in its last axis; of anything else they are there.
torch::Tensor vectors_last(const torch::Tensor& x) { return x.dim() == 4 ? x.permute({0, 2, 3, 1}) : x; }
torch::Tensor vectors_back(const torch::Tensor& x) { return x.dim() == 4 ? x.permute({0, 3, 1, 2}) : x; }

torch::Tensor product(const torch::Tensor& a, const torch::Tensor& b) {
  return a.dim() == 4 && b.dim() == 2 ? a * b.unsqueeze(-1).unsqueeze(-1) : a * b;
}

}  // namespace

torch::Tensor apply_to_vectors(const Operation& operation, const std::vector<torch::Tensor>& inputs,
                               const std::vector<torch::Tensor>& weights) {
  const torch::Tensor& x = inputs.front();
  switch (operation.kind) {
    case OpKind::Activate:
      return activated(x, operation.activation);
    case OpKind::Add:
      return x + inputs[1];
    case OpKind::Multiply:
      return product(x, inputs[1]);
    case OpKind::Scale:
      return vectors_back(vectors_last(x) * weights[0]);
    case OpKind::Columns:
      return x.narrow(x.dim() == 4 ? 1 : -1, operation.begin, operation.count);
    case OpKind::Linear:
      return vectors_back(torch::linear(vectors_last(x), weights[0], weights[1]));
    case OpKind::LayerNorm:
      return vectors_back(
          torch::layer_norm(vectors_last(x), weights[0].sizes(), weights[0], weights[1], operation.epsilon));
    default:
      return {};
  }
}

Value TorchOps::apply(const Operation& operation, const Values& inputs, const std::vector<torch::Tensor>& weights) {
  std::vector<torch::Tensor> tensors;
  for (const Value& input : inputs) tensors.push_back(input.tensor);
  if (operation.kind == OpKind::Constant) return {weights[0].unsqueeze(0)};
  if (operation.kind == OpKind::Attention) {
    AttentionOptions options = operation.attention;
    if (!training) options.dropout = 0;
    return {attended(tensors, options, weights[0], mask_)};
  }
  torch::Tensor result = apply_to_vectors(operation, tensors, weights);
  if (!result.defined()) result = apply_to_pictures(operation, tensors, weights);
  if (!result.defined()) result = apply_to_tokens(operation, tensors, weights);
  require(result.defined(), "network: operation ", static_cast<int>(operation.kind), " is not known to Torch");
  return {result};
}

Value TorchOps::apply_grid(const Value& x, GridFunction grid) {
  const int64_t height = x.tensor.size(2), width = x.tensor.size(3);
  return {x.tensor + grid(height, width).t().view({1, -1, height, width})};
}

Value TorchOps::apply_batch_norm(const Value& x, const BatchNorm& layer) {
  const bool learns = training && layer.is_training();  // a frozen one keeps its statistics
  if (learns && layer.num_batches_tracked.defined()) layer.num_batches_tracked.add_(1);
  return {torch::batch_norm(x.tensor, layer.weight, layer.bias, layer.running_mean, layer.running_var, learns,
                            layer.momentum, layer.epsilon, false)};
}

Value TorchOps::dropout(const Value& x, double p) { return {torch::dropout(x.tensor, p, training)}; }

Value TorchOps::drop_path(const Value& x, double p) {
  if (!training || p == 0) return x;
  std::vector<int64_t> shape(x.tensor.dim(), 1);
  shape[0] = x.tensor.size(0);
  return {x.tensor * torch::dropout(torch::ones(shape, x.tensor.options()), p, true)};
}

}  // namespace pictrieve
