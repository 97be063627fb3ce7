#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "pictrieve/base/error.h"
#include "pictrieve/nn/state_dict.h"

namespace pictrieve {
namespace {

/// A new file beside its final place, which it takes in one step; removed where that does not happen.
class ReplacingFile {
 public:
  explicit ReplacingFile(const std::string& path) : path_(path) {
    static std::atomic<int> count{0};
    temporary_ = message(path, ".", getpid(), ".", count++, ".tmp");
    file_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file_ < 0) fail("cannot be created");
  }

  ~ReplacingFile() {
    if (file_ >= 0) close(file_);
    if (!replaced_) unlink(temporary_.c_str());
  }

  ReplacingFile(const ReplacingFile&) = delete;
  ReplacingFile& operator=(const ReplacingFile&) = delete;

  void write(const void* data, size_t size) {
    const auto* p = static_cast<const char*>(data);
    while (size > 0) {
      const ssize_t written = ::write(file_, p, size);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail("cannot be written");
      p += written;
      size -= static_cast<size_t>(written);
    }
  }

  void replace() {
    if (fsync(file_) != 0) fail("cannot be written");
    if (std::rename(temporary_.c_str(), path_.c_str()) != 0) fail("cannot be replaced");
    replaced_ = true;
  }

 private:
  [[noreturn]] void fail(const char* what) const {
    const int code = errno;
    throw FileError(path_, code, message(path_, ": ", what, ": ", std::strerror(code)));
  }

  std::string path_;
  std::string temporary_;
  int file_ = -1;
  bool replaced_ = false;
};

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
  for (const Item* item : items) file.write(item->second.data, static_cast<size_t>(item->second.bytes()));
  file.replace();
}

}  // namespace pictrieve
