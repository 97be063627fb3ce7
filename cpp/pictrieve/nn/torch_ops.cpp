#include "pictrieve/nn/torch_ops.h"

#include <torch/torch.h>

#include <cmath>
#include <limits>

namespace pictrieve {

Value TorchOps::conv2d(const Value& x, const Layer& layer, const ConvOptions& options) {
  const auto& weight = layer.weight;
  const PaddedAxis y_axis = padded_axis(x.tensor.size(2), weight.size(2), options.stride, options.padding);
  const PaddedAxis x_axis = padded_axis(x.tensor.size(3), weight.size(3), options.stride, options.padding);
  torch::Tensor padded = x.tensor;
  std::vector<int64_t> padding{0, 0};
  if (y_axis.before == y_axis.after && x_axis.before == x_axis.after) {
    padding = {y_axis.before, x_axis.before};
  } else {
    padded = torch::constant_pad_nd(padded, {x_axis.before, x_axis.after, y_axis.before, y_axis.after});
  }
  return {torch::conv2d(padded, weight, layer.bias, options.stride, padding, 1, options.groups)};
}

Value TorchOps::batch_norm(const Value& x, const BatchNorm& layer) {
  return {torch::batch_norm(x.tensor, layer.weight, layer.bias, layer.running_mean, layer.running_var,
                            layer.is_training(), layer.momentum, layer.epsilon, false)};
}

Value TorchOps::activate(const Value& x, Activation activation) {
  switch (activation) {
    case Activation::Relu:
      return {torch::relu(x.tensor)};
    case Activation::Relu6:
      return {torch::clamp(x.tensor, 0, 6)};
    case Activation::Gelu:
      return {torch::gelu(x.tensor)};
    case Activation::None:
      break;
  }
  return x;
}

Value TorchOps::add(const Value& a, const Value& b) { return {a.tensor + b.tensor}; }

Value TorchOps::global_pool(const Value& x) { return {x.tensor.mean({2, 3})}; }

Value TorchOps::linear(const Value& x, const Layer& layer) {
  return {torch::linear(x.tensor, layer.weight, layer.bias)};
}

Value TorchOps::layer_norm(const Value& x, const Layer& layer, double epsilon) {
  return {torch::layer_norm(x.tensor, layer.weight.sizes(), layer.weight, layer.bias, epsilon)};
}

Value TorchOps::embedding(const Value& ids, const Layer& table) { return {torch::embedding(table.weight, ids.tensor)}; }

Value TorchOps::attention(const Value& queries, const Value& keys, const Value& values, int heads) {
  const int64_t n = queries.tensor.size(0), length = queries.tensor.size(1), dim = queries.tensor.size(2);
  const auto split = [&](const Value& x) {  // (n, heads, length, dim / heads)
    return x.tensor.view({n, length, heads, dim / heads}).transpose(1, 2);
  };
  torch::Tensor scores = torch::matmul(split(queries), split(keys).transpose(2, 3));
  scores = scores / std::sqrt(static_cast<double>(dim / heads));
  if (mask_.defined()) {
    const float lowest = std::numeric_limits<float>::lowest();  // not -inf: a text of no tokens must not give NaN
    scores = scores.masked_fill(mask_.logical_not().view({n, 1, 1, length}), lowest);
  }
  const torch::Tensor mixed = torch::matmul(torch::softmax(scores, -1), split(values));
  return {mixed.transpose(1, 2).reshape({n, length, dim})};
}

}  // namespace pictrieve
