// The container of a saved index: named sections, each with a checksum. What they mean is written in
// stored_index_io.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "pictrieve/base/mapped_file.h"

namespace pictrieve {

/// Layout, little-endian, version 2 (version 1 differs in what sections mean, see stored_index_io.cpp):
///   0  "PTRVINDX"   8 u32 version   12 u32 number of sections   16 u64 size of the file
///   24 u64 XXH64 of bytes [0, 24) followed by the section table
///   32 the table: per section u32 kind, u32 part, u64 offset, u64 length, u64 XXH64 of its bytes
/// Sections begin at multiples of 64 in the table's order, with zeros between them.
inline constexpr uint32_t kIndexFileVersion = 2;

enum class SectionKind : uint32_t {
  Header = 1,
  Vectors = 2,
  SquaredLengths = 3,
  Ids = 4,
  LiveFlags = 5,
  Levels = 6,
  Links = 7,
  Note = 8,
  Factory = 9,
  Sequence = 10,
  GraphHead = 11,
  Scales = 12,
  Codes = 13,
  Codebook = 14,
  Centroids = 15,
  ListOffsets = 16,
  Matrix = 17,
  Bias = 18,
  Bits = 19,
};

/// Which component of an index a section belongs to: kinds occur once in each.
enum class Part : uint32_t { Index = 0, Rows = 1, Originals = 2, Structure = 3, Coarse = 4, Projection = 5 };

struct Section {
  SectionKind kind;
  Part part;
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

  /// A saved index that never went to the disk; the sections must stay where they are. Its path is `name`.
  IndexFile(std::span<const Section> sections, const std::string& name);

  uint32_t version() const { return version_; }
  const std::string& path() const { return path_; }
  bool has(SectionKind kind, Part part) const;
  uint64_t length(SectionKind kind, Part part) const;
  uint64_t checksum_of(SectionKind kind, Part part) const;

  /// Reads a section of `length` bytes to `data` and verifies its checksum.
  void read(SectionKind kind, Part part, void* data, uint64_t length) const;

  /// A section where it lies in the file, read when touched and not verified; the mapping outlives this object.
  std::shared_ptr<const void> map(SectionKind kind, Part part) const;

 private:
  struct Entry {
    SectionKind kind;
    Part part;
    const std::byte* data;
    uint64_t length;
    uint64_t checksum;
  };

  const Entry* find(SectionKind kind, Part part) const;
  const Entry& get(SectionKind kind, Part part) const;
  void read_table();
  void add_entries(std::span<const unsigned char> table);
  [[noreturn]] void damaged(const std::string& what) const;

  std::string path_;
  uint32_t version_ = 0;
  std::shared_ptr<const MappedFile> file_;
  std::vector<Entry> entries_;
};

}  // namespace pictrieve
