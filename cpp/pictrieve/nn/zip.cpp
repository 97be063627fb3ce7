#include "pictrieve/nn/zip.h"

#include <algorithm>
#include <cstdint>

#include "pictrieve/nn/byte_reader.h"

namespace pictrieve {
namespace {

constexpr uint32_t kEndSignature = 0x06054b50;
constexpr uint32_t kEnd64Signature = 0x06064b50;
constexpr uint32_t kLocator64Signature = 0x07064b50;
constexpr uint32_t kDirectorySignature = 0x02014b50;
constexpr uint32_t kFileSignature = 0x04034b50;
constexpr uint64_t kEndSize = 22;
constexpr uint64_t kLocator64Size = 20;
constexpr uint64_t kIn64 = 0xFFFFFFFF;  // the true number stands in the ZIP64 field

struct Directory {
  uint64_t count;
  uint64_t offset;
};

/// The end record is found from behind, because a comment of up to 65535 bytes may follow it.
uint64_t find_end(ByteReader& reader) {
  reader.seek(0);
  const uint64_t size = reader.left();
  for (uint64_t tail = kEndSize; tail <= std::min<uint64_t>(size, kEndSize + 0xFFFF); ++tail) {
    reader.seek(size - tail);
    if (reader.read<uint32_t>() != kEndSignature) continue;
    reader.take(kEndSize - 6);
    if (reader.read<uint16_t>() == tail - kEndSize) return size - tail;
  }
  throw FormatError(reader.source() +
                    ": is cut off or damaged: it begins as a ZIP archive and has no directory at its end");
}

Directory read_end(ByteReader& reader) {
  const uint64_t end = find_end(reader);
  if (end >= kLocator64Size) {
    reader.seek(end - kLocator64Size);
    if (reader.read<uint32_t>() == kLocator64Signature) {
      reader.take(4);
      reader.seek(reader.read<uint64_t>());
      require<FormatError>(reader.read<uint32_t>() == kEnd64Signature, reader.source(),
                           ": its ZIP64 directory is damaged");
      reader.take(28);
      const auto count = reader.read<uint64_t>();
      reader.take(8);
      return {count, reader.read<uint64_t>()};
    }
  }
  reader.seek(end + 10);
  const auto count = reader.read<uint16_t>();
  reader.take(4);
  return {count, reader.read<uint32_t>()};
}

struct Member {
  std::string name;
  bool packed;
  uint64_t size;
  uint64_t stored_size;
  uint64_t offset;
};

/// Extra fields are (id, size, data); number 1 holds in order the numbers that did not fit 32 bits.
void apply_zip64(Member& member, std::span<const std::byte> extra, const std::string& source) {
  ByteReader reader(extra, source);
  while (reader.left() >= 4) {
    const auto id = reader.read<uint16_t>();
    ByteReader field(reader.take(reader.read<uint16_t>()), source);
    if (id != 1) continue;
    for (uint64_t* value : {&member.size, &member.stored_size, &member.offset})
      if (*value == kIn64) *value = field.read<uint64_t>();
  }
}

Member read_member(ByteReader& reader) {
  require<FormatError>(reader.read<uint32_t>() == kDirectorySignature, reader.source(),
                       ": its ZIP directory is damaged");
  reader.take(4);
  const auto flags = reader.read<uint16_t>();
  const auto method = reader.read<uint16_t>();
  reader.take(8);
  Member member{};
  member.stored_size = reader.read<uint32_t>();
  member.size = reader.read<uint32_t>();
  const auto name_size = reader.read<uint16_t>();
  const auto extra_size = reader.read<uint16_t>();
  const auto comment_size = reader.read<uint16_t>();
  reader.take(8);
  member.offset = reader.read<uint32_t>();
  member.name = reader.text(name_size);
  apply_zip64(member, reader.take(extra_size), reader.source());
  reader.take(comment_size);
  member.packed = method != 0 || (flags & 1) != 0 || member.size != member.stored_size;
  return member;
}

std::span<const std::byte> contents(const Member& member, ByteReader reader) {
  reader.seek(member.offset);
  require<FormatError>(reader.read<uint32_t>() == kFileSignature, reader.source(), ": '", shown(member.name),
                       "' is not where the ZIP directory says");
  reader.take(22);
  const auto name_size = reader.read<uint16_t>();
  const auto extra_size = reader.read<uint16_t>();
  reader.take(uint64_t{name_size} + extra_size);
  return reader.take(member.size);
}

}  // namespace

ZipFiles read_zip(std::span<const std::byte> archive, const std::string& source) {
  ByteReader reader(archive, source);
  const Directory directory = read_end(reader);
  reader.seek(directory.offset);
  ZipFiles files;
  uint64_t total = 0;  // files that overlapped could be copied to many times the archive's size
  for (uint64_t i = 0; i < directory.count; ++i) {
    const Member member = read_member(reader);
    require<FormatError>(member.stored_size <= archive.size() - total, source,
                         ": its ZIP directory names overlapping files");
    total += member.stored_size;
    const bool inserted = member.packed ? files.packed.insert(member.name).second
                                        : files.stored.emplace(member.name, contents(member, reader)).second;
    require<FormatError>(inserted, source, ": '", shown(member.name), "' occurs twice in the ZIP directory");
  }
  return files;
}

}  // namespace pictrieve
