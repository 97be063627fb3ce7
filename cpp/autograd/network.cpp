#include "network.h"

#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <set>
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

void check_device(const char* name, const torch::Tensor& input, const Tensors& tensors) {
  require(input.device() == tensors.front().device(), name, ": expected them on ", tensors.front().device().str(),
          ", where the network is, got ", input.device().str());
}

}  // namespace

/// What goes wrong in Torch names the network. That a device is full stays Torch's own: training loops wait for it.
template <class Function>
auto Network::in_words(const Function& function) const {
  try {
    return function();
  } catch (const c10::OutOfMemoryError&) {
    throw;
  } catch (const c10::Error& error) {
    throw Error(message(subject_, ": ", error.what_without_backtrace()));
  }
}

Network::Network(const std::string& kind, const std::string& architecture, const NetworkConfig& config)
    : architecture_(architecture), subject_(kind + " network " + architecture) {
  require(kind == "image" || kind == "text", "kind: expected 'image' or 'text', got '", kind, "'");
  if (kind == "image") {
    settings_ = image_family(architecture).settings(architecture, config);
    image_ = in_words([&] { return make_image_module(architecture, config); });
  } else {
    settings_ = text_family(architecture).settings(architecture, config);
    text_ = in_words([&] { return make_text_module(architecture, config); });
  }
  for (const Block::Slot& slot : slots_of(block())) {
    slots_.push_back({slot.name, slot.tensor->sizes().vec(), slot.buffer, slot.tensor->scalar_type()});
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

/// New tensors for all slots, of which only counters have their numbers.
std::vector<Block::Slot> Network::slots_in(NamedTensors& state) const {
  std::vector<Block::Slot> slots;
  for (const Slot& slot : slots_) {
    torch::Tensor& tensor = state[slot.name];
    tensor = c10::isFloatingType(slot.type) ? torch::empty(slot.shape, slot.type) : torch::zeros(slot.shape, slot.type);
    slots.push_back({slot.name, &tensor, slot.buffer});
  }
  return slots;
}

NamedTensors Network::random_state(uint64_t seed, const std::optional<std::vector<std::string>>& names) const {
  return in_words([&] {
    NamedTensors state;
    std::vector<Block::Slot> slots = slots_in(state);
    if (names) {
      const std::set<std::string> wanted(names->begin(), names->end());
      std::erase_if(slots, [&](const Block::Slot& slot) { return !wanted.contains(slot.name); });
      std::erase_if(state, [&](const auto& item) { return !wanted.contains(item.first); });
    }
    randomize_parameters(slots, seed);
    return state;
  });
}

NamedTensors Network::state_from_file(const std::string& path) const {
  return in_words([&] {
    NamedTensors state;
    const StateDict weights = read_weights(path);
    load_parameters(slots_in(state), weights, rules_for(weights, layouts(), settings_), Fill::Copy);
    return state;
  });
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
  require(pixels.is_floating_point(), "pixels: expected floating-point numbers, got ", c10::str(pixels.scalar_type()));
  return in_words([&] {
    const Binding binding(*this, tensors, training);
    check_device("pixels", pixels, tensors);
    TorchOps ops;
    ops.training = dropout;
    const ImageValues values = image_->forward(ops, {pixels});
    NamedTensors outputs{{"feature_map", values.feature_map.tensor}, {"features", values.features.tensor}};
    if (values.logits.exists()) outputs["logits"] = values.logits.tensor;
    return outputs;
  });
}

void Network::check_ids(const torch::Tensor& ids, const std::optional<torch::Tensor>& mask,
                        const std::optional<torch::Tensor>& segments) const {
  require(text_ != nullptr, "network: expected a text network for ids, got ", architecture_);
  require(ids.dim() == 2 && ids.scalar_type() == torch::kInt64, "ids: expected int64 (n, length), got ",
          c10::str(ids.scalar_type()), " ", c10::str(ids.sizes()));
  require(ids.size(1) <= text_->max_tokens, "ids: expected texts of at most ", text_->max_tokens, " tokens for ",
          architecture_, ", got ", ids.size(1));
  require(!mask || mask->sizes() == ids.sizes(), "mask: expected the shape of ids");
  require(!segments || segments->sizes() == ids.sizes(), "segments: expected the shape of ids");
  if (!ids.is_cpu() || ids.numel() == 0) return;  // to look at numbers of another device would wait for it
  const auto [least, most] = ids.aminmax();
  require(least.item<int64_t>() >= 0 && most.item<int64_t>() < text_->vocab_size, "ids: expected 0 to ",
          text_->vocab_size - 1, ", got ", least.item<int64_t>(), " to ", most.item<int64_t>());
}

torch::Tensor Network::forward_text(const Tensors& tensors, bool dropout, const torch::Tensor& ids,
                                    const std::optional<torch::Tensor>& mask,
                                    const std::optional<torch::Tensor>& segments) {
  check_ids(ids, mask, segments);
  return in_words([&] {
    const Binding binding(*this, tensors, {});
    check_device("ids", ids, tensors);
    TorchOps ops(mask ? mask->to(torch::kBool) : torch::Tensor());
    ops.training = dropout;
    const torch::Tensor places = torch::arange(ids.size(1), ids.options()) + text_->position_offset;
    const torch::Tensor types = segments ? *segments : torch::zeros_like(ids);
    return text_->forward(ops, {{ids}, {places.expand(ids.sizes())}, {types}}).tensor;
  });
}

torch::Tensor Network::project(const Tensors& tensors, const torch::Tensor& pooled) {
  require(text_ != nullptr, "network: expected a text network for a projection, got ", architecture_);
  return in_words([&] {
    const Binding binding(*this, tensors, {});
    TorchOps ops;
    return text_->project(ops, {pooled}).tensor;
  });
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
