#include "network.h"

#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <utility>

#include "pictrieve/base/error.h"
#include "pictrieve/nn/parameters.h"
#include "pictrieve/nn/torch_ops.h"

namespace pictrieve::autograd {
namespace {

constexpr std::array<std::pair<torch::ScalarType, DType>, 10> kTypes{{{torch::kFloat64, DType::F64},
                                                                      {torch::kFloat32, DType::F32},
                                                                      {torch::kFloat16, DType::F16},
                                                                      {torch::kBFloat16, DType::BF16},
                                                                      {torch::kInt64, DType::I64},
                                                                      {torch::kInt32, DType::I32},
                                                                      {torch::kInt16, DType::I16},
                                                                      {torch::kInt8, DType::I8},
                                                                      {torch::kUInt8, DType::U8},
                                                                      {torch::kBool, DType::Bool}}};

DType dtype_of(const std::string& name, const torch::Tensor& tensor) {
  const auto* found = std::ranges::find(kTypes, tensor.scalar_type(), [](const auto& pair) { return pair.first; });
  require(found != kTypes.end(), "state dict: '", name, "': expected plain numbers, got ",
          c10::toString(tensor.scalar_type()));
  return found->second;
}

StateDict state_dict_of(const NamedTensors& tensors) {
  StateDict weights("state dict");
  for (const auto& [name, tensor] : tensors) {
    const auto held = std::make_shared<const torch::Tensor>(tensor.detach().cpu().contiguous());
    weights.add(name,
                {dtype_of(name, *held), held->sizes().vec(), static_cast<const std::byte*>(held->const_data_ptr())});
    weights.keep(held);
  }
  return weights;
}

torch::ScalarType scalar_type_of(DType dtype) {
  return std::ranges::find(kTypes, dtype, [](const auto& pair) { return pair.second; })->first;
}

NamedTensors tensors_of(const StateDict& weights) {
  NamedTensors tensors;
  for (const auto& [name, view] : weights.tensors()) {
    void* data = const_cast<std::byte*>(view.data);
    tensors[name] = torch::from_blob(data, view.shape, scalar_type_of(view.dtype)).clone();
  }
  return tensors;
}

NamedTensors state_of(Block& block) {
  NamedTensors state;
  for (const Block::Slot& slot : slots_of(block)) state[slot.name] = slot.tensor->detach().clone();
  return state;
}

}  // namespace

Network::Network(const std::string& kind, const std::string& architecture, const NetworkConfig& config)
    : architecture_(architecture) {
  require(kind == "image" || kind == "text", "kind: expected 'image' or 'text', got '", kind, "'");
  if (kind == "image") {
    settings_ = image_family(architecture).settings(architecture, config);
    image_ = make_image_module(architecture, config);
  } else {
    settings_ = text_family(architecture).settings(architecture, config);
    text_ = make_text_module(architecture, config);
  }
  for (const Block::Slot& slot : slots_of(block())) {
    slots_.push_back({slot.name, slot.tensor->sizes().vec(), slot.buffer});
    members_.push_back(slot.tensor);
  }
  for (const auto& part : block().modules())  // in the order of slots_of
    if (auto* owner = dynamic_cast<Block*>(part.get())) owners_.insert(owners_.end(), owner->own_slots().size(), owner);
}

/// Lends the module the caller's tensors for one forward; nothing outlives it but what autograd keeps.
class Network::Binding {
 public:
  Binding(Network& network, const Tensors& tensors, const std::vector<bool>& training)
      : network_(network), lock_(network.mutex_) {
    require(tensors.size() == network.members_.size(), "network: expected ", network.members_.size(), " tensors, got ",
            tensors.size());
    for (size_t i = 0; i < tensors.size(); ++i) *network.members_[i] = tensors[i];
    for (size_t i = 0; i < training.size(); ++i) network.owners_[i]->train(training[i]);
  }
  ~Binding() {
    for (torch::Tensor* member : network_.members_) *member = torch::Tensor();
  }
  Binding(const Binding&) = delete;
  Binding& operator=(const Binding&) = delete;

 private:
  Network& network_;
  std::lock_guard<std::mutex> lock_;
};

Block& Network::block() const { return image_ ? static_cast<Block&>(*image_) : static_cast<Block&>(*text_); }

const std::vector<Layout>& Network::layouts() const {
  return image_ ? image_family(architecture_).layouts : text_family(architecture_).layouts;
}

NamedTensors Network::random_state(uint64_t seed) const {
  Network fresh(image_ ? "image" : "text", architecture_, settings_);
  randomize_parameters(fresh.block(), seed);
  return state_of(fresh.block());
}

NamedTensors Network::state_from_file(const std::string& path) const {
  Network fresh(image_ ? "image" : "text", architecture_, settings_);
  const StateDict weights = read_weights(path);
  load_parameters(fresh.block(), weights, rules_for(weights, layouts(), settings_), Fill::Copy);
  return state_of(fresh.block());
}

std::vector<KeyRule> Network::rules(const NamedTensors& tensors, const std::string& layout) const {
  const StateDict weights = state_dict_of(tensors);
  if (layout.empty()) return rules_for(weights, layouts(), settings_);
  const Layout* chosen = nullptr;  // several may share a name: the one that fits, or the first
  std::string known;
  for (const Layout& each : layouts()) {
    known += (known.empty() ? "" : ", ") + each.name;
    if (each.name != layout && each.mark != layout) continue;
    const bool fits = layout_of(weights, {each}) != nullptr;
    if (!chosen || fits) chosen = &each;
    if (fits) break;
  }
  require(chosen != nullptr, "layout: expected one of ", known.empty() ? "none" : known, ", got '", layout, "'");
  return chosen->rules(settings_);
}

NamedTensors Network::from_layout(const NamedTensors& tensors, const std::string& layout) const {
  return tensors_of(pictrieve::from_layout(state_dict_of(tensors), rules(tensors, layout)));
}

NamedTensors Network::to_layout(const NamedTensors& tensors, const std::string& layout) const {
  return tensors_of(pictrieve::to_layout(state_dict_of(tensors), rules(tensors, layout)));
}

std::string Network::layout_of_file(const std::string& path) const {
  const Layout* layout = layout_of(read_weights(path), layouts());
  return layout ? layout->mark : "";
}

NamedTensors Network::forward_image(const Tensors& tensors, const std::vector<bool>& training, bool dropout,
                                    const torch::Tensor& pixels) {
  require(image_ != nullptr, "network: expected an image network for pixels, got ", architecture_);
  require(pixels.dim() == 4 && pixels.size(1) == 3, "pixels: expected (n, 3, H, W), got ", c10::str(pixels.sizes()));
  require(pixels.size(2) >= image_->least_size && pixels.size(3) >= image_->least_size, "pixels: expected at least ",
          image_->least_size, " x ", image_->least_size, " for ", architecture_, ", got ", c10::str(pixels.sizes()));
  const Binding binding(*this, tensors, training);
  TorchOps ops;
  ops.training = dropout;
  const ImageValues values = image_->forward(ops, {pixels});
  NamedTensors outputs{{"feature_map", values.feature_map.tensor}, {"features", values.features.tensor}};
  if (values.logits.exists()) outputs["logits"] = values.logits.tensor;
  return outputs;
}

torch::Tensor Network::forward_text(const Tensors& tensors, bool dropout, const torch::Tensor& ids,
                                    const std::optional<torch::Tensor>& mask,
                                    const std::optional<torch::Tensor>& segments) {
  require(text_ != nullptr, "network: expected a text network for ids, got ", architecture_);
  require(ids.dim() == 2 && ids.scalar_type() == torch::kInt64, "ids: expected int64 (n, length), got ",
          c10::str(ids.scalar_type()), " ", c10::str(ids.sizes()));
  require(!mask || mask->sizes() == ids.sizes(), "mask: expected the shape of ids");
  const Binding binding(*this, tensors, {});
  TorchOps ops(mask ? mask->to(torch::kBool) : torch::Tensor());
  ops.training = dropout;
  const torch::Tensor places = torch::arange(ids.size(1), ids.options()) + text_->position_offset;
  const torch::Tensor types = segments ? *segments : torch::zeros_like(ids);
  return text_->forward(ops, {{ids}, {places.expand(ids.sizes())}, {types}}).tensor;
}

torch::Tensor Network::project(const Tensors& tensors, const torch::Tensor& pooled) {
  require(text_ != nullptr, "network: expected a text network for a projection, got ", architecture_);
  const Binding binding(*this, tensors, {});
  TorchOps ops;
  return text_->project(ops, {pooled}).tensor;
}

std::map<std::string, int> Network::facts() const {
  if (image_)
    return {{"dim", image_->dim},
            {"classes", image_->classes},
            {"input_size", image_->input_size},
            {"least_size", image_->least_size}};
  return {{"dim", text_->dim},
          {"hidden_size", text_->hidden},
          {"vocab_size", text_->vocab_size},
          {"max_tokens", text_->max_tokens},
          {"position_offset", text_->position_offset}};
}

std::string Network::pooling() const { return text_ ? text_->pooling : ""; }

}  // namespace pictrieve::autograd
