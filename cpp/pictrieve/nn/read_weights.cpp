#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>

#include "pictrieve/base/error.h"
#include "pictrieve/base/mapped_file.h"
#include "pictrieve/nn/safetensors.h"
#include "pictrieve/nn/state_dict.h"
#include "pictrieve/nn/torch_checkpoint.h"

namespace pictrieve {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr size_t kMaxIndex = 100'000'000;
constexpr const char* kTorch = "pytorch_model.bin";

/// Either format, told by the first bytes; the tensors lie in the mapped file.
StateDict read_file(const std::string& path) {
  const auto file = std::make_shared<MappedFile>(path);
  StateDict weights = is_torch_checkpoint(file->bytes()) ? torch_checkpoint_from_bytes(file->bytes(), path)
                                                         : safetensors_from_bytes(file->bytes(), path);
  weights.keep(file);
  return weights;
}

/// File names by tensor. They are taken within the directory only, so that an index cannot point elsewhere.
std::map<std::string, std::string> shard_of_tensor(const std::string& path) {
  const MappedFile file(path);
  require<FormatError>(file.bytes().size() <= kMaxIndex, path, ": expected at most ", kMaxIndex,
                       " bytes of index, got ", file.bytes().size());
  const auto* text = reinterpret_cast<const char*>(file.bytes().data());
  const auto index = nlohmann::json::parse(text, text + file.bytes().size(), nullptr, false);
  const auto map = index.is_object() ? index.find("weight_map") : index.end();
  require<FormatError>(map != index.end() && map->is_object(), path, ": expected a JSON object with a \"weight_map\"");
  std::map<std::string, std::string> shards;
  for (const auto& [name, shard] : map->items()) {
    const std::string file_name = shard.is_string() ? shard.get<std::string>() : "";
    const bool plain = !file_name.empty() && file_name != ".." && fs::path(file_name).filename() == file_name;
    require<FormatError>(plain, path, ": tensor '", name, "': expected the name of a file beside the index");
    shards.emplace(name, file_name);
  }
  return shards;
}

StateDict read_shards(const fs::path& directory) {
  const std::string index = directory / kIndex;
  const auto shard_of = shard_of_tensor(index);
  std::set<std::string> shards;
  for (const auto& [name, shard] : shard_of) shards.insert(shard);
  StateDict weights(index);
  for (const std::string& shard : shards) weights.merge(read_file(directory / shard));
  for (const auto& [name, shard] : shard_of)
    require<FormatError>(weights.contains(name), index, ": the shard ", shard, " lacks the tensor '", name, "'");
  return weights;
}

/// Paths of *.pth and *.pt, sorted.
std::vector<std::string> checkpoints_in(const fs::path& directory) {
  std::vector<std::string> found;
  std::error_code code;
  for (fs::directory_iterator it(directory, code), end; !code && it != end; it.increment(code))
    if (it->path().extension() == ".pth" || it->path().extension() == ".pt") found.push_back(it->path());
  if (code) throw FileError(directory, code.value(), message("cannot be listed: ", code.message()));
  std::ranges::sort(found);
  return found;
}

bool is_there(const fs::path& path) {
  std::error_code code;
  const bool found = fs::exists(path, code);
  if (code) throw FileError(path, code.value(), message("cannot be examined: ", code.message()));
  return found;
}

StateDict read_directory(const fs::path& directory) {
  if (is_there(directory / kSingle)) return read_file(directory / kSingle);
  if (is_there(directory / kIndex)) return read_shards(directory);
  if (is_there(directory / kTorch)) return read_file(directory / kTorch);
  const auto found = checkpoints_in(directory);
  require<FormatError>(found.size() < 2, directory.string(), ": expected one checkpoint, got ", found.size(),
                       " (*.pth, *.pt); give the path of the file");
  if (found.empty())
    throw FileError(directory, ENOENT,
                    message("no weights here; looked for ", kSingle, ", ", kIndex, ", ", kTorch, ", *.pth and *.pt"));
  return read_file(found.front());
}

// What training puts before every name: DistributedDataParallel, torch.compile, and modules that hold a network as
// `model`. AveragedModel counts its steps beside them.
constexpr std::array<std::string_view, 3> kWrappers{"module.", "_orig_mod.", "model."};
constexpr std::string_view kAveragedSteps = "n_averaged";

/// The wrapper that every name begins with; empty where there is none.
std::string_view wrapper_of(const StateDict& weights) {
  for (const std::string_view wrapper : kWrappers) {
    int64_t inside = 0, beside = 0;
    for (const auto& [name, tensor] : weights.tensors()) {
      inside += name.starts_with(wrapper) && name.size() > wrapper.size() ? 1 : 0;
      beside += name == kAveragedSteps ? 1 : 0;
    }
    if (inside > 0 && inside + beside == static_cast<int64_t>(weights.tensors().size())) return wrapper;
  }
  return {};
}

/// The same tensors under the names that they have in the network itself.
StateDict unwrapped(StateDict weights) {
  for (auto wrapper = wrapper_of(weights); !wrapper.empty(); wrapper = wrapper_of(weights)) {
    StateDict inner(weights.source());
    inner.set_metadata(weights.metadata());
    for (const auto& memory : weights.memory()) inner.keep(memory);
    for (const auto& [name, tensor] : weights.tensors())
      if (name != kAveragedSteps) inner.add(name.substr(wrapper.size()), tensor);
    weights = std::move(inner);
  }
  return weights;
}

}  // namespace

StateDict read_weights(const std::string& path) {
  std::error_code code;
  return unwrapped(fs::is_directory(path, code) ? read_directory(path) : read_file(path));
}

}  // namespace pictrieve
