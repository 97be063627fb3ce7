#include <cstring>

#include "pictrieve/base/checksum.h"
#include "pictrieve/base/error.h"
#include "pictrieve/base/replacing_file.h"
#include "pictrieve/index/file/index_file.h"
#include "pictrieve/index/file/index_file_layout.h"

namespace pictrieve {
namespace {

uint64_t aligned(uint64_t offset) { return (offset + kAlignment - 1) / kAlignment * kAlignment; }

void append(std::vector<unsigned char>& bytes, const void* data, size_t size) {
  const auto* first = static_cast<const unsigned char*>(data);
  bytes.insert(bytes.end(), first, first + size);
}

}  // namespace

void write_index_file(const std::string& path, std::span<const Section> sections) {
  require(sections.size() <= kMostSections, "save: a file holds at most ", kMostSections, " sections, got ",
          sections.size(), "; choose a factory with fewer parts");
  std::vector<unsigned char> table;
  uint64_t offset = aligned(sizeof(FileHead) + sections.size() * kEntryBytes);
  uint64_t size = offset;
  for (const Section& section : sections) {
    const uint32_t kind[2] = {static_cast<uint32_t>(section.kind), static_cast<uint32_t>(section.part)};
    const uint64_t place[3] = {offset, section.length, checksum(section.data, section.length)};
    append(table, kind, sizeof(kind));
    append(table, place, sizeof(place));
    size = offset + section.length;
    offset = aligned(size);
  }
  FileHead head{};
  std::memcpy(head.magic, kMagic, sizeof(kMagic));
  head.version = kIndexFileVersion;
  head.sections = static_cast<uint32_t>(sections.size());
  head.size = size;
  std::vector<unsigned char> covered;
  append(covered, &head, kCheckedHeadBytes);
  append(covered, table.data(), table.size());
  head.checksum = checksum(covered.data(), covered.size());

  ReplacingFile file(path);
  file.write(&head, sizeof(head));
  file.write(table.data(), table.size());
  uint64_t position = sizeof(head) + table.size();
  constexpr char kZeros[kAlignment] = {};
  for (const Section& section : sections) {
    file.write(kZeros, aligned(position) - position);
    file.write(section.data, section.length);
    position = aligned(position) + section.length;
  }
  file.publish();
}

}  // namespace pictrieve
