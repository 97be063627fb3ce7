#include "pictrieve/nn/parameters.h"

#include <torch/torch.h>

#include <cmath>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "pictrieve/base/error.h"

namespace pictrieve {
namespace {

bool ends_with(const std::string& text, std::string_view end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

std::string shape_text(torch::IntArrayRef shape) {
  std::ostringstream text;
  text << "(";
  for (size_t i = 0; i < shape.size(); ++i) text << (i == 0 ? "" : ", ") << shape[i];
  text << ")";
  return text.str();
}

using Slots = std::vector<std::pair<std::string, torch::Tensor>>;

Slots slots_of(const torch::nn::Module& module) {
  Slots slots;
  for (const auto& item : module.named_parameters()) slots.emplace_back(item.key(), item.value());
  for (const auto& item : module.named_buffers()) slots.emplace_back(item.key(), item.value());
  return slots;
}

void refuse_unknown(const Slots& slots, const StateDict& weights) {
  std::map<std::string, bool> known;
  for (const auto& [name, tensor] : slots) known[name] = true;
  for (const auto& [name, tensor] : weights.tensors()) {
    require<FormatError>(known.count(name) || ends_with(name, "position_ids"), weights.source(), ": '", name,
                         "' is not a parameter of this network (got ", describe(tensor),
                         "); are these the weights of another architecture?");
  }
}

/// The stored numbers as a float32 tensor that keeps their memory.
torch::Tensor tensor_from(const StateDict& weights, const std::string& name, torch::IntArrayRef shape, Fill fill) {
  if (weights.at(name).dtype != DType::F32) {
    auto values = std::make_shared<std::vector<float>>(weights.float32(name));
    return torch::from_blob(values->data(), shape, [values](void*) {});
  }
  auto memory = std::make_shared<std::vector<std::shared_ptr<const void>>>(weights.memory());
  auto* data = const_cast<float*>(weights.float32_span(name).data());
  const torch::Tensor borrowed = torch::from_blob(data, shape, [memory](void*) {});
  return fill == Fill::Copy ? borrowed.clone() : borrowed;
}

void fill_slot(torch::Tensor slot, const std::string& name, const StateDict& weights, Fill fill) {
  if (ends_with(name, "num_batches_tracked")) return;  // counts batches for momentum=None, which we do not use
  const TensorView& found = weights.at(name);
  require<FormatError>(slot.sizes() == torch::IntArrayRef(found.shape), weights.source(), ": '", name,
                       "': expected shape ", shape_text(slot.sizes()), ", got ", shape_text(found.shape));
  slot.set_data(tensor_from(weights, name, slot.sizes(), fill));
}

}  // namespace

void load_parameters(torch::nn::Module& module, const StateDict& weights, Fill fill) {
  const torch::NoGradGuard no_grad;
  const Slots slots = slots_of(module);
  refuse_unknown(slots, weights);
  for (const auto& [name, slot] : slots) fill_slot(slot, name, weights, fill);
}

void randomize_parameters(torch::nn::Module& module, uint64_t seed) {
  const torch::NoGradGuard no_grad;
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  for (auto& [name, slot] : slots_of(module)) {
    torch::Tensor tensor = slot;
    if (tensor.dim() >= 2) {
      const double fan_in = static_cast<double>(tensor.numel() / tensor.size(0));
      const bool table = ends_with(name, "embeddings.weight");
      tensor.normal_(0, table ? 0.02 : std::sqrt((tensor.dim() == 4 ? 2.0 : 1.0) / fan_in), generator);
    } else {
      tensor.fill_(ends_with(name, "weight") || ends_with(name, "running_var") ? 1 : 0);
    }
  }
}

}  // namespace pictrieve
