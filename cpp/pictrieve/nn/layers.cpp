#include "pictrieve/nn/layers.h"

#include <torch/utils.h>

namespace pictrieve {

void Block::parameter(const std::string& name, torch::Tensor& member, torch::IntArrayRef shape) {
  member = register_parameter(name, torch::empty(shape));
  slots_.push_back({name, &member, false});
}

void Block::buffer(const std::string& name, torch::Tensor& member, const torch::Tensor& start) {
  member = register_buffer(name, start);
  slots_.push_back({name, &member, true});
}

torch::nn::Module* Block::group(const std::string& path) {
  torch::nn::Module* here = this;
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('.', begin), path.size());
    const std::string name = path.substr(begin, end - begin);
    const auto children = here->named_children();
    const auto* found = children.find(name);
    here = found ? found->get() : here->register_module(name, std::make_shared<Block>()).get();
    begin = end + 1;
  }
  return here;
}

std::shared_ptr<Layer> Block::linear(const std::string& path, int64_t out, int64_t in, bool with_bias) {
  return make<Layer>(path, torch::IntArrayRef{out, in}, with_bias);
}

std::shared_ptr<Layer> Block::conv(const std::string& path, int64_t out, int64_t in, torch::IntArrayRef kernel,
                                   bool with_bias) {
  return make<Layer>(path, torch::IntArrayRef{out, in, kernel[0], kernel[1]}, with_bias);
}

std::shared_ptr<Layer> Block::conv(const std::string& path, int64_t out, int64_t in, int64_t kernel, bool with_bias) {
  return conv(path, out, in, torch::IntArrayRef{kernel, kernel}, with_bias);
}

std::shared_ptr<Layer> Block::layer_norm(const std::string& path, int64_t dim, bool with_bias) {
  return make<Layer>(path, torch::IntArrayRef{dim}, with_bias);
}

std::shared_ptr<Layer> Block::table(const std::string& path, int64_t entries, int64_t dim) {
  return make<Layer>(path, torch::IntArrayRef{entries, dim}, false);
}

std::shared_ptr<BatchNorm> Block::batch_norm(const std::string& path, int64_t channels, double epsilon,
                                             double momentum) {
  return make<BatchNorm>(path, channels, epsilon, momentum);
}

Layer::Layer(torch::IntArrayRef weight_shape, bool with_bias) {
  parameter("weight", weight, weight_shape);
  if (with_bias) parameter("bias", bias, {weight_shape[0]});
}

BatchNorm::BatchNorm(int64_t channels, double norm_epsilon, double norm_momentum)
    : epsilon(norm_epsilon), momentum(norm_momentum) {
  parameter("weight", weight, {channels});
  parameter("bias", bias, {channels});
  buffer("running_mean", running_mean, torch::empty({channels}));
  buffer("running_var", running_var, torch::empty({channels}));
  buffer("num_batches_tracked", num_batches_tracked, torch::zeros({}, torch::kInt64));
}

std::vector<Block::Slot> slots_of(torch::nn::Module& network) {
  std::vector<Block::Slot> slots;
  for (const auto& item : network.named_modules("", true)) {
    const auto* block = dynamic_cast<const Block*>(item.value().get());
    if (!block) continue;
    for (Block::Slot slot : block->own_slots()) {
      if (!item.key().empty()) slot.name = item.key() + "." + slot.name;
      slots.push_back(std::move(slot));
    }
  }
  return slots;
}

}  // namespace pictrieve
