#include <algorithm>
#include <nlohmann/json.hpp>

#include "pictrieve/base/error.h"
#include "pictrieve/base/replacing_file.h"
#include "pictrieve/nn/state_dict.h"

namespace pictrieve {
namespace {

using Item = std::pair<const std::string, TensorView>;

/// The reference implementation's order: wider types first, so that each tensor is aligned after the one before it.
int type_rank(DType dtype) {
  constexpr DType kOrder[] = {DType::I64, DType::F64, DType::F32, DType::I32, DType::BF16,
                              DType::F16, DType::I16, DType::I8,  DType::U8,  DType::Bool};
  return static_cast<int>(std::ranges::find(kOrder, dtype) - std::begin(kOrder));
}

std::string header_of(const std::vector<const Item*>& items, const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  int64_t offset = 0;
  for (const Item* item : items) {
    const auto& [name, tensor] = *item;
    require(name != "__metadata__", "write_safetensors: a tensor cannot be named '__metadata__'");
    header[name] = {{"dtype", dtype_name(tensor.dtype)},
                    {"shape", tensor.shape},
                    {"data_offsets", {offset, offset + tensor.bytes()}}};
    offset += tensor.bytes();
  }
  try {
    std::string text = header.dump();
    text.resize((text.size() + 7) / 8 * 8, ' ');
    return text;
  } catch (const nlohmann::json::type_error&) {
    throw std::invalid_argument("write_safetensors: expected names and metadata in UTF-8, got other bytes");
  }
}

}  // namespace

void write_safetensors(const std::string& path, const std::map<std::string, TensorView>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<const Item*> items;
  for (const Item& item : tensors) items.push_back(&item);
  std::ranges::stable_sort(items, {}, [](const Item* item) { return type_rank(item->second.dtype); });
  const std::string header = header_of(items, metadata);
  const uint64_t length = header.size();
  ReplacingFile file(path);
  file.write(&length, sizeof(length));
  file.write(header.data(), header.size());
  for (const Item* item : items) file.write(item->second.data, static_cast<uint64_t>(item->second.bytes()));
  file.publish();
}

}  // namespace pictrieve
