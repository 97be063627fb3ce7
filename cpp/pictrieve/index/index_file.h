// The container of a saved index: named sections, each with a checksum. What they mean is written in
// stored_index_io.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "pictrieve/base/mapped_file.h"

namespace pictrieve {

/// Layout, little-endian, version 1:
///   0  "PTRVINDX"   8 u32 version   12 u32 number of sections   16 u64 size of the file
///   24 u64 XXH64 of bytes [0, 24) followed by the section table
///   32 the table: per section u32 kind, u32 zero, u64 offset, u64 length, u64 XXH64 of its bytes
/// Sections begin at multiples of 64 in the table's order, with zeros between them.
inline constexpr uint32_t kIndexFileVersion = 1;

enum class SectionKind : uint32_t {
  Header = 1,
  Vectors = 2,
  SquaredLengths = 3,
  Ids = 4,
  LiveFlags = 5,
  Levels = 6,
  Links = 7,
  Note = 8,
};

struct Section {
  SectionKind kind;
  const void* data;
  uint64_t length;  ///< in bytes
};

/// Writes beside `path` under a temporary name, flushes to the disk and renames: readers and a kill see the old file or
/// the new one. Throws FileError.
void write_index_file(const std::string& path, std::span<const Section> sections);

/// A file opened for reading. Throws FileError where it cannot be read, FormatError where it is not whole.
class IndexFile {
 public:
  explicit IndexFile(const std::string& path);

  uint64_t length(SectionKind kind) const;
  uint64_t checksum_of(SectionKind kind) const;

  /// Reads a section of `length` bytes to `data` and verifies its checksum.
  void read(SectionKind kind, void* data, uint64_t length) const;

  /// A section as numbers; its length must be a multiple of theirs.
  template <typename T>
  std::vector<T> read_all(SectionKind kind) const {
    std::vector<T> values(length(kind) / sizeof(T));
    read(kind, values.data(), values.size() * sizeof(T));
    return values;
  }

  /// A section where it lies in the file, read when touched and not verified; the mapping outlives this object.
  std::shared_ptr<float[]> map_floats(SectionKind kind) const;

 private:
  struct Entry {
    SectionKind kind;
    uint32_t zero;
    uint64_t offset;
    uint64_t length;
    uint64_t checksum;
  };

  const Entry& get(SectionKind kind) const;
  void read_table();
  [[noreturn]] void damaged(const std::string& what) const;

  std::string path_;
  std::shared_ptr<const MappedFile> file_;
  std::vector<Entry> entries_;
};

}  // namespace pictrieve
