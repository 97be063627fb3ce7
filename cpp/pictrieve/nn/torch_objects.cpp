#include "pictrieve/nn/torch_objects.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "pictrieve/base/error.h"
#include "pictrieve/base/matrix.h"

namespace pictrieve {
namespace {

using Kind = PickleValue::Kind;
using Values = std::vector<const PickleValue*>;

constexpr std::array<std::pair<std::string_view, DType>, 10> kStorages{{{"torch.DoubleStorage", DType::F64},
                                                                        {"torch.FloatStorage", DType::F32},
                                                                        {"torch.HalfStorage", DType::F16},
                                                                        {"torch.BFloat16Storage", DType::BF16},
                                                                        {"torch.LongStorage", DType::I64},
                                                                        {"torch.IntStorage", DType::I32},
                                                                        {"torch.ShortStorage", DType::I16},
                                                                        {"torch.CharStorage", DType::I8},
                                                                        {"torch.ByteStorage", DType::U8},
                                                                        {"torch.BoolStorage", DType::Bool}}};
constexpr std::array<std::string_view, 5> kFunctions{"collections.OrderedDict", "torch._utils._rebuild_tensor_v2",
                                                     "torch._utils._rebuild_tensor", "torch._utils._rebuild_parameter",
                                                     "torch.Size"};

// What training scripts note beside the tensors: options, milestones, the best score. Read past, never made.
constexpr std::array<std::string_view, 5> kNotes{"collections.Counter", "numpy.core.multiarray.scalar",
                                                 "numpy._core.multiarray.scalar", "numpy.dtype", "_codecs.encode"};
constexpr std::string_view kOptions = "argparse.Namespace";

constexpr std::string_view kModules = "__torch__.";
constexpr std::string_view kLists = "torch.jit._pickle.build_";
constexpr std::string_view kTyped = "torch.jit._pickle.restore_type_tag";  // of a list or dict

std::optional<DType> dtype_of_storage(const std::string& global) {
  const auto* found =
      std::ranges::find(kStorages, std::string_view(global), [](const auto& entry) { return entry.first; });
  return found == kStorages.end() ? std::nullopt : std::optional(found->second);
}

// Under which key a checkpoint keeps its tensors; of several the last one wins. Averaged weights come before those of
// the last step, as in timm: they are what its scores were measured with.
constexpr std::array<std::string_view, 5> kStateDicts{"model", "model_state_dict", "state_dict", "model_ema",
                                                      "state_dict_ema"};

bool is_external(const PickleValue& value, std::string_view kind) {
  return value.kind == Kind::External && value.text == kind;
}

/// A tuple or list of ints that are not negative, as many as a tensor may have.
std::optional<std::vector<int64_t>> sizes_from(const PickleValue& value) {
  constexpr size_t kMaxDimensions = 32;
  if ((value.kind != Kind::Tuple && value.kind != Kind::List) || value.items.size() > kMaxDimensions)
    return std::nullopt;
  std::vector<int64_t> sizes;
  for (const PickleValue* item : value.items) {
    if (item->kind != Kind::Int || item->integer < 0) return std::nullopt;
    sizes.push_back(item->integer);
  }
  return sizes;
}

/// True where the numbers lie one after another in the order of their indices.
bool is_contiguous(const TorchTensor& tensor) {
  int64_t expected = 1;
  for (size_t i = tensor.shape.size(); i-- > 0;) {
    if (tensor.shape[i] != 1 && tensor.strides[i] != expected) return false;
    expected *= tensor.shape[i];
  }
  return true;
}

/// Index of the last number that the tensor touches in its storage; nothing where an int64 is too small for it.
std::optional<int64_t> last_index(const TorchTensor& tensor) {
  int64_t last = tensor.offset;
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    int64_t reach = 0;
    if (__builtin_mul_overflow(tensor.shape[i] - 1, tensor.strides[i], &reach)) return std::nullopt;
    if (__builtin_add_overflow(last, reach, &last)) return std::nullopt;
  }
  return last;
}

/// Gathers `count` numbers in the order of their indices, counting through them like an odometer.
void copy_strided(const TorchTensor& tensor, const std::byte* data, int64_t count, size_t item, std::byte* out) {
  std::vector<int64_t> index(tensor.shape.size());
  int64_t at = tensor.offset;
  for (int64_t n = 0; n < count; ++n, out += item) {
    std::memcpy(out, data + at * static_cast<int64_t>(item), item);
    for (size_t i = index.size(); i-- > 0;) {
      at += tensor.strides[i];
      if (++index[i] < tensor.shape[i]) break;
      at -= index[i] * tensor.strides[i];
      index[i] = 0;
    }
  }
}

}  // namespace

PickleRules TorchObjects::rules() {
  const auto check_global = [this](const std::string& global) {
    const std::string_view name(global);
    if (std::ranges::find(kFunctions, name) != kFunctions.end() || dtype_of_storage(global)) return;
    if (std::ranges::find(kNotes, name) != kNotes.end() || name == kOptions) return;
    if (script_ &&
        (global.starts_with(kModules) || global == kTyped || (global.starts_with(kLists) && global.ends_with("list"))))
      return;
    fail("refers to '" + shown(global) +
         "', which a file of tensors does not need. Code in weight files is never executed; " +
         "convert the file to safetensors where you trust it");
  };
  return {check_global, [this](const std::string& global, const Values& arguments) { return call(global, arguments); },
          [this](const PickleValue& id) { return storage_from_id(id); },
          [this](const std::string& global) {
            if (!global.starts_with(kModules) && global != kOptions) fail("makes an object of " + global);
            return PickleValue{Kind::Dict, 0, global, {}};
          }};
}

/// ('storage', class, key, location, count[, None]); the location is of no interest.
PickleValue TorchObjects::storage_from_id(const PickleValue& id) {
  const bool complete = id.kind == Kind::Tuple && (id.items.size() == 5 || id.items.size() == 6) &&
                        id.items[0]->text == "storage" && id.items[1]->kind == Kind::Global &&
                        id.items[2]->kind == Kind::String && id.items[4]->kind == Kind::Int;
  if (!complete) fail("has a persistent id that is not ('storage', class, key, location, count)");
  if (id.items.size() == 6 && id.items[5]->kind != Kind::None)
    fail("has views of storages, which PyTorch wrote before version 0.4; load and save it with PyTorch again");
  const auto dtype = dtype_of_storage(id.items[1]->text);
  const int64_t count = id.items[4]->integer;
  if (!dtype || !checked_bytes(*dtype, {count})) fail("has a storage of unknown type or impossible size");
  const std::string& key = id.items[2]->text;
  const auto [place, inserted] = storage_of_key_.try_emplace(key, storages_.size());
  if (inserted) storages_.push_back({*dtype, count, key, nullptr});
  const TorchStorage& storage = storages_[place->second];
  if (storage.dtype != *dtype || storage.count != count)
    fail("tells two types or sizes of storage '" + shown(key) + "'");
  return {Kind::External, static_cast<int64_t>(place->second), "storage", {}};
}

PickleValue TorchObjects::call(const std::string& global, const Values& arguments) {
  if (global == "collections.OrderedDict" && arguments.empty()) return {Kind::Dict, 0, {}, {}};
  if (std::ranges::find(kNotes, std::string_view(global)) != kNotes.end()) return {Kind::Dict, 0, {}, {}};
  if (global == "torch.Size" && arguments.size() == 1 && sizes_from(*arguments[0])) return *arguments[0];
  if (global == "torch._utils._rebuild_parameter" && !arguments.empty() && is_external(*arguments[0], "tensor"))
    return *arguments[0];
  if (global.starts_with(kLists) && arguments.size() == 1 && arguments[0]->kind == Kind::List) return *arguments[0];
  if (global == kTyped && arguments.size() == 2 &&
      (arguments[0]->kind == Kind::List || arguments[0]->kind == Kind::Dict))
    return *arguments[0];
  const bool rebuilds = global == "torch._utils._rebuild_tensor" || global == "torch._utils._rebuild_tensor_v2";
  if (rebuilds && arguments.size() >= 4) return rebuild_tensor(arguments);
  fail("calls " + global + " with arguments that it does not take");
}

/// (storage, offset, shape, strides, ...): what follows concerns gradients.
PickleValue TorchObjects::rebuild_tensor(const Values& arguments) {
  const auto shape = sizes_from(*arguments[2]);
  const auto strides = sizes_from(*arguments[3]);
  const bool complete = is_external(*arguments[0], "storage") && arguments[1]->kind == Kind::Int &&
                        arguments[1]->integer >= 0 && shape && strides && shape->size() == strides->size();
  if (!complete) fail("has a tensor without storage, offset, shape and strides");
  const TorchTensor tensor{static_cast<size_t>(arguments[0]->integer), arguments[1]->integer, *shape, *strides};
  const TorchStorage& storage = storages_[tensor.storage];
  const auto bytes = checked_bytes(storage.dtype, tensor.shape);
  if (!bytes) fail("has a tensor of impossible shape");
  if (*bytes > 0) {
    const auto last = last_index(tensor);
    if (!last || *last >= storage.count)
      fail(message("has a tensor that ends beyond the ", storage.count, " numbers of storage '", shown(storage.key),
                   "'"));
    if (*bytes > storage.bytes())
      fail("has an expanded tensor, larger than its storage; save tensor.contiguous() instead");
  }
  tensors_.push_back(tensor);
  return {Kind::External, static_cast<int64_t>(tensors_.size() - 1), "tensor", {}};
}

const PickleValue& TorchObjects::state_dict_in(const PickleValue& root) const {
  constexpr int kMaxDepth = 3;
  const PickleValue* dict = &root;
  for (int depth = 0; depth < kMaxDepth && dict->kind == Kind::Dict; ++depth) {
    const PickleValue* inner = nullptr;
    for (const std::string_view key : kStateDicts)
      for (size_t i = 0; i < dict->items.size(); i += 2)
        if (dict->items[i]->text == key && dict->items[i + 1]->kind == Kind::Dict) inner = dict->items[i + 1];
    if (inner == nullptr) break;
    dict = inner;
  }
  if (dict->kind != Kind::Dict)
    fail(message("holds ", kind_name(*dict), ", expected a dict of tensors; save model.state_dict() instead"));
  return *dict;
}

/// Tensors among the attributes, and those of the parts under "part.name"; numbers, words and lists shape no weights.
void TorchObjects::collect_module(const PickleValue& module, const std::string& prefix, int depth, Walk& walk) const {
  constexpr int kMaxDepth = 32;
  walk.items_left -= static_cast<int64_t>(module.items.size());
  if (depth > kMaxDepth || walk.items_left < 0) fail("has modules within modules without end");
  for (size_t i = 0; i < module.items.size(); i += 2) {
    const std::string name = prefix + module.items[i]->text;
    const PickleValue& value = *module.items[i + 1];
    if (is_external(value, "tensor"))
      walk.weights.add(name, view_of(tensors_[static_cast<size_t>(value.integer)], walk.weights, walk.copy_limit));
    else if (value.kind == Kind::Dict && !value.text.empty())
      collect_module(value, name + ".", depth + 1, walk);
  }
}

StateDict TorchObjects::collect(const PickleValue& root, int64_t copy_limit) const {
  if (root.kind == Kind::Dict && !root.text.empty()) {
    constexpr int64_t kMaxItems = 2'000'000;
    Walk walk{StateDict(source_), copy_limit, kMaxItems};
    collect_module(root, "", 0, walk);
    return std::move(walk.weights);
  }
  StateDict weights(source_);
  const PickleValue& dict = state_dict_in(root);
  for (size_t i = 0; i < dict.items.size(); i += 2) {
    const PickleValue& name = *dict.items[i];
    const PickleValue& value = *dict.items[i + 1];
    if (name.kind != Kind::String) fail(message("has ", kind_name(name), " as a key, expected a name"));
    if (!is_external(value, "tensor"))
      fail(message("holds ", kind_name(value), " under '", shown(name.text), "', expected a tensor"));
    weights.add(name.text, view_of(tensors_[static_cast<size_t>(value.integer)], weights, copy_limit));
  }
  return weights;
}

TensorView TorchObjects::view_of(const TorchTensor& tensor, StateDict& owner, int64_t& copy_limit) const {
  const TorchStorage& storage = storages_[tensor.storage];
  TensorView view{storage.dtype, tensor.shape, nullptr};
  const int64_t item = item_size(storage.dtype);
  if (view.count() == 0) return view;
  if (is_contiguous(tensor)) {
    view.data = storage.data + tensor.offset * item;
    return view;
  }
  copy_limit -= view.bytes();
  if (copy_limit < 0)
    fail("has strided tensors that would take far more memory than the file; save tensor.contiguous()");
  const auto copy = aligned_array<std::byte>(view.bytes());
  copy_strided(tensor, storage.data, view.count(), static_cast<size_t>(item), copy.get());
  owner.keep({copy, copy.get()});
  view.data = copy.get();
  return view;
}

void TorchObjects::fail(const std::string& what) const { throw FormatError(source_ + ": the checkpoint " + what); }

}  // namespace pictrieve
