#include "pictrieve/nn/recorder.h"

#include <utility>

#include "pictrieve/base/error.h"

namespace pictrieve {
namespace {

Weight weight_of(const torch::Tensor& tensor) {
  if (!tensor.defined()) return {};
  require(tensor.is_contiguous() && tensor.scalar_type() == torch::kFloat32,
          "network: expected contiguous float32 parameters");
  const auto owner = std::make_shared<const torch::Tensor>(tensor);
  return {owner->const_data_ptr<float>(), tensor.sizes().vec(), owner};
}

Node node_of(OpKind kind, std::vector<int> inputs, std::initializer_list<torch::Tensor> weights = {}) {
  Node node;
  node.kind = kind;
  node.inputs = std::move(inputs);
  for (const torch::Tensor& weight : weights) node.weights.push_back(weight_of(weight));
  return node;
}

}  // namespace

Value Recorder::append(Node node) {
  graph_.nodes.push_back(std::move(node));
  return {{}, static_cast<int>(graph_.nodes.size()) - 1};
}

Value Recorder::input(const std::string& name) {
  Node node = node_of(OpKind::Input, {});
  node.name = name;
  return append(std::move(node));
}

void Recorder::output(const std::string& name, const Value& value) { graph_.outputs[name] = value.node; }

Value Recorder::conv2d(const Value& x, const Layer& layer, const ConvOptions& options) {
  Node node = node_of(OpKind::Conv2d, {x.node}, {layer.weight, layer.bias});
  node.conv = options;
  return append(std::move(node));
}

Value Recorder::batch_norm(const Value& x, const BatchNorm& layer) {
  Node node = node_of(OpKind::BatchNorm, {x.node}, {layer.weight, layer.bias, layer.running_mean, layer.running_var});
  node.epsilon = layer.epsilon;
  return append(std::move(node));
}

Value Recorder::activate(const Value& x, Activation activation) {
  Node node = node_of(OpKind::Activate, {x.node});
  node.activation = activation;
  return append(std::move(node));
}

Value Recorder::add(const Value& a, const Value& b) { return append(node_of(OpKind::Add, {a.node, b.node})); }

Value Recorder::global_pool(const Value& x) { return append(node_of(OpKind::GlobalPool, {x.node})); }

Value Recorder::linear(const Value& x, const Layer& layer) {
  return append(node_of(OpKind::Linear, {x.node}, {layer.weight, layer.bias}));
}

Value Recorder::layer_norm(const Value& x, const Layer& layer, double epsilon) {
  Node node = node_of(OpKind::LayerNorm, {x.node}, {layer.weight, layer.bias});
  node.epsilon = epsilon;
  return append(std::move(node));
}

Value Recorder::embedding(const Value& ids, const Layer& table) {
  return append(node_of(OpKind::Embedding, {ids.node}, {table.weight}));
}

Value Recorder::attention(const Value& queries, const Value& keys, const Value& values, int heads) {
  Node node = node_of(OpKind::Attention, {queries.node, keys.node, values.node});
  node.heads = heads;
  return append(std::move(node));
}

}  // namespace pictrieve
