#include "pictrieve/nn/parameters.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>
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

using Slots = std::vector<Block::Slot>;

void refuse_unknown(const Slots& slots, const StateDict& weights) {
  std::set<std::string> known;
  for (const Block::Slot& slot : slots) known.insert(slot.name);
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

void fill_slot(const Block::Slot& slot, const StateDict& weights, const std::vector<KeyRule>& rules, Fill fill) {
  if (ends_with(slot.name, "num_batches_tracked")) return;  // counts batches for momentum=None, which we do not use
  const std::string theirs = name_in_layout(slot.name, rules);
  require<FormatError>(weights.contains(slot.name) || theirs == slot.name, weights.source(), ": '", theirs,
                       "' is missing; are these the weights of another architecture?");
  const TensorView& found = weights.at(slot.name);
  require<FormatError>(slot.tensor->sizes() == torch::IntArrayRef(found.shape), weights.source(), ": '", theirs,
                       "': expected shape ", shape_text(slot.tensor->sizes()), ", got ", shape_text(found.shape));
  slot.tensor->set_data(tensor_from(weights, slot.name, slot.tensor->sizes(), fill));
}

double deviation(const std::string& name, const torch::Tensor& tensor) {
  const double fan_in = static_cast<double>(tensor.numel() / std::max<int64_t>(tensor.size(0), 1));
  if (ends_with(name, "embeddings.weight") || tensor.dim() == 3) return 0.02;
  return std::sqrt((tensor.dim() == 4 ? 2.0 : 1.0) / fan_in);
}

}  // namespace

void load_parameters(const Slots& slots, const StateDict& weights, const std::vector<KeyRule>& rules, Fill fill) {
  const torch::NoGradGuard no_grad;
  const StateDict own = from_layout(weights, rules);
  refuse_unknown(slots, own);
  for (const Block::Slot& slot : slots) fill_slot(slot, own, rules, fill);
}

void randomize_parameters(const Slots& slots, uint64_t seed) {
  const torch::NoGradGuard no_grad;
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  for (const auto& [name, tensor, buffer] : slots) {
    if (ends_with(name, "num_batches_tracked")) continue;
    if (tensor->dim() >= 2) {
      tensor->normal_(0, deviation(name, *tensor), generator);
    } else {
      tensor->fill_(ends_with(name, "bias") || ends_with(name, "running_mean") ? 0 : 1);
    }
  }
}

}  // namespace pictrieve
