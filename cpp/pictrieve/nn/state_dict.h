// Named tensors of a weights file. Nothing in this folder's readers executes anything that a file contains.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pictrieve {

enum class DType : uint8_t { F64, F32, F16, BF16, I64, I32, I16, I8, U8, Bool };

int64_t item_size(DType dtype);
/// The name that safetensors gives the type: "F32", "BF16", "BOOL", ...
const char* dtype_name(DType dtype);

/// Borrowed tensor: C-contiguous, little-endian, aligned to its item size. The StateDict that gave it must outlive it.
struct TensorView {
  DType dtype = DType::F32;
  std::vector<int64_t> shape;  ///< empty for a scalar
  const std::byte* data = nullptr;

  int64_t count() const;  ///< numbers in the tensor: the product of the shape
  int64_t bytes() const { return count() * item_size(dtype); }
};

/// Bytes of such a tensor; nothing for negative sizes, more than 32 dimensions, or more bytes than an int64 counts.
std::optional<int64_t> checked_bytes(DType dtype, const std::vector<int64_t>& shape);

/// "F32 (384, 1536)", for messages.
std::string describe(const TensorView& tensor);

/// Tensors by name, with the memory they live in (usually the mapped file: a file must not be changed in place while it
/// is open, only replaced). Copies share that memory.
class StateDict {
 public:
  /// `source` names the file in messages.
  explicit StateDict(std::string source = "weights") : source_(std::move(source)) {}

  /// Throws FormatError that names the file, the missing tensor and the most similar names.
  const TensorView& at(std::string_view name) const;
  bool contains(std::string_view name) const { return tensors_.find(name) != tensors_.end(); }
  const std::map<std::string, TensorView, std::less<>>& tensors() const { return tensors_; }  ///< sorted by name
  const std::string& source() const { return source_; }
  /// What the writer noted beside the tensors (safetensors' "__metadata__").
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  /// Copies a floating-point tensor; F16, BF16 and F64 are converted. FormatError for integers.
  std::vector<float> float32(std::string_view name) const;
  /// Borrows an F32 tensor without a copy. FormatError for every other type.
  std::span<const float> float32_span(std::string_view name) const;

  /// 32 hexadecimal digits that are equal where names, types, shapes and bytes of all tensors are equal, whatever the
  /// file format or the order in it: a digest of one line per tensor, sorted by name, with the checksum of each MiB of
  /// its bytes. Found at the speed of memory on all threads; it does not withstand deliberate collisions.
  std::string fingerprint() const;

  /// Bytes that are not aligned to their item size are copied. FormatError where the name exists.
  void add(std::string name, TensorView tensor);
  void set_metadata(std::map<std::string, std::string> metadata) { metadata_ = std::move(metadata); }
  void keep(std::shared_ptr<const void> memory) { memory_.push_back(std::move(memory)); }  ///< lives as long as this
  void merge(StateDict other);  ///< adds another file's tensors, metadata and memory; FormatError for names in both
  const std::vector<std::shared_ptr<const void>>& memory() const { return memory_; }

 private:
  std::string source_;
  std::map<std::string, TensorView, std::less<>> tensors_;
  std::map<std::string, std::string> metadata_;
  std::vector<std::shared_ptr<const void>> memory_;
};

/// Reads a safetensors file, a torch.save file of either format (by its first bytes, not its name), or a directory that
/// holds model.safetensors, its index and shards, pytorch_model.bin or one *.pth / *.pt; the prefix "module." of every
/// name goes. FileError where nothing is there, FormatError where a file is damaged, foreign, or needs code to be run.
StateDict read_weights(const std::string& path);

/// Replaces `path` by a safetensors file at once: readers see the old file or the whole new one.
/// Files are byte-identical for equal input. FileError where the disk refuses.
void write_safetensors(const std::string& path, const std::map<std::string, TensorView>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace pictrieve
