// Private: the fixed parts of an index file, shared by its reader and its writer.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pictrieve {

inline constexpr char kMagic[8] = {'P', 'T', 'R', 'V', 'I', 'N', 'D', 'X'};
inline constexpr uint64_t kAlignment = 64;
inline constexpr uint32_t kMostSections = 64;

struct FileHead {
  char magic[8];
  uint32_t version;
  uint32_t sections;
  uint64_t size;
  uint64_t checksum;
};

/// An entry of the section table.
struct TableEntry {
  uint32_t kind;
  uint32_t part;
  uint64_t offset;
  uint64_t length;
  uint64_t checksum;
};
static_assert(sizeof(TableEntry) == 32, "no gaps: the bytes are the file's");

inline constexpr uint64_t kEntryBytes = sizeof(TableEntry);
inline constexpr uint64_t kCheckedHeadBytes = offsetof(FileHead, checksum);
static_assert(sizeof(FileHead) == 32 && kCheckedHeadBytes == 24);

}  // namespace pictrieve
