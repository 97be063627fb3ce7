// A file as memory, read-only.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace pictrieve {

/// Maps a whole file: pages are read when first touched, and shared between processes. FileError where it cannot be
/// opened or is not a regular file. The mapping outlives a rename or removal of the file, not a truncation in place.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace pictrieve
