#include "pictrieve/nn/recorder.h"

#include <torch/utils.h>

#include <utility>

#include "pictrieve/base/error.h"
#include "pictrieve/nn/modules.h"
#include "pictrieve/nn/torch_errors.h"

namespace pictrieve {
namespace {

Weight weight_of(const torch::Tensor& tensor) {
  if (!tensor.defined()) return {};
  require(tensor.scalar_type() == torch::kFloat32, "network: expected float32 parameters");
  const auto owner = std::make_shared<const torch::Tensor>(tensor.detach().contiguous());
  return {owner->const_data_ptr<float>(), tensor.sizes().vec(), owner};
}

Node node_of(const Operation& operation, const Ops::Values& inputs, const std::vector<torch::Tensor>& weights) {
  Node node;
  static_cast<Operation&>(node) = operation;
  for (const Value& input : inputs) node.inputs.push_back(input.node);
  for (const torch::Tensor& weight : weights) node.weights.push_back(weight_of(weight));
  return node;
}

}  // namespace

Value Recorder::append(Node node) {
  graph_.nodes.push_back(std::move(node));
  return {{}, static_cast<int>(graph_.nodes.size()) - 1};
}

Value Recorder::input(const std::string& name) {
  return append(node_of({.kind = OpKind::Input, .name = name}, {}, {}));
}

void Recorder::output(const std::string& name, const Value& value) { graph_.outputs[name] = value.node; }

Value Recorder::apply(const Operation& operation, const Values& inputs, const std::vector<torch::Tensor>& weights) {
  return append(node_of(operation, inputs, weights));
}

Value Recorder::apply_batch_norm(const Value& x, const BatchNorm& layer) {
  return append(node_of({.kind = OpKind::BatchNorm, .epsilon = layer.epsilon}, {x},
                        {layer.weight, layer.bias, layer.running_mean, layer.running_var}));
}

Value Recorder::apply_grid(const Value& x, GridFunction grid) {
  Node node = node_of({.kind = OpKind::AddGrid}, {x}, {});
  node.grid = [grid = std::move(grid)](int64_t height, int64_t width) {
    const torch::NoGradGuard no_grad;  // it is called by the runtime, which knows nothing of Torch
    return without_torch_errors(message("positions of ", height, " x ", width, " patches"),
                                [&] { return weight_of(grid(height, width)); });
  };
  return append(std::move(node));
}

Graph record(const ImageModule& module) {
  const torch::NoGradGuard no_grad;
  Recorder recorder;
  const ImageValues values = module.forward(recorder, recorder.input("pixels"));
  recorder.output("feature_map", values.feature_map);
  recorder.output("features", values.features);
  if (values.logits.exists()) recorder.output("logits", values.logits);
  return recorder.take();
}

Graph record(const TextModule& module) {
  const torch::NoGradGuard no_grad;
  Recorder recorder;
  const Value ids = recorder.input("ids");
  const Value positions = recorder.input("positions");
  const Value segments = recorder.input("segments");
  recorder.output("hidden", module.forward(recorder, {ids, positions, segments}));
  return recorder.take();
}

Graph record_projection(const TextModule& module) {
  const torch::NoGradGuard no_grad;
  Recorder recorder;
  const Value pooled = recorder.input("pooled");
  recorder.output("projected", module.project(recorder, pooled));
  return recorder.take();
}

}  // namespace pictrieve
