#include "pictrieve/index/file/index_file.h"

#include <algorithm>
#include <cstring>

#include "pictrieve/base/checksum.h"
#include "pictrieve/base/error.h"
#include "pictrieve/index/file/index_file_layout.h"

namespace pictrieve {

IndexFile::IndexFile(const std::string& path) : path_(path), file_(std::make_shared<const MappedFile>(path)) {
  read_table();
}

IndexFile::IndexFile(std::span<const Section> sections, const std::string& name)
    : path_(name), version_(kIndexFileVersion) {
  for (const Section& section : sections)
    entries_.push_back({section.kind, section.part, static_cast<const std::byte*>(section.data), section.length,
                        checksum(section.data, section.length)});
}

void IndexFile::damaged(const std::string& what) const {
  throw FormatError(message("index file ", path_, ": ", what, "; rebuild it or restore a copy"));
}

void IndexFile::read_table() {
  const std::span<const std::byte> bytes = file_->bytes();
  if (bytes.size() < sizeof(FileHead)) damaged("too short to be an index");
  FileHead head;
  std::memcpy(&head, bytes.data(), sizeof(head));
  if (std::memcmp(head.magic, kMagic, sizeof(kMagic)) != 0) damaged("does not begin as an index of pictrieve does");
  require<FormatError>(head.version <= kIndexFileVersion, "index file ", path_, ": has format version ", head.version,
                       ", this library reads up to ", kIndexFileVersion, "; open it with a newer pictrieve");
  if (head.version == 0) damaged("has no format version");
  version_ = head.version;
  const uint64_t table_bytes = uint64_t{head.sections} * kEntryBytes;
  if (head.size != bytes.size() || head.sections > kMostSections || sizeof(head) + table_bytes > bytes.size())
    damaged("was cut");
  std::vector<unsigned char> covered(kCheckedHeadBytes + table_bytes);
  std::memcpy(covered.data(), &head, kCheckedHeadBytes);
  std::memcpy(covered.data() + kCheckedHeadBytes, bytes.data() + sizeof(head), table_bytes);
  if (checksum(covered.data(), covered.size()) != head.checksum) damaged("the section table is damaged");
  add_entries(std::span(covered).subspan(kCheckedHeadBytes));
}

/// Sections that share bytes would make a small file large in memory.
void IndexFile::add_entries(std::span<const unsigned char> table) {
  const std::span<const std::byte> bytes = file_->bytes();
  uint64_t end = sizeof(FileHead) + table.size();
  for (size_t place = 0; place < table.size(); place += kEntryBytes) {
    TableEntry entry;
    std::memcpy(&entry, table.data() + place, sizeof(entry));
    if (entry.offset > bytes.size() || entry.length > bytes.size() - entry.offset)
      damaged("a section lies outside of the file");
    if (entry.offset % kAlignment != 0 || entry.offset < end || entry.offset - end >= kAlignment)
      damaged("a section is not where the one before it ends");
    if (!std::all_of(bytes.data() + end, bytes.data() + entry.offset, [](std::byte b) { return b == std::byte{0}; }))
      damaged("there is something between two sections");
    end = entry.offset + entry.length;
    const auto kind = static_cast<SectionKind>(entry.kind);
    const auto part = static_cast<Part>(entry.part);
    if (find(kind, part)) damaged(message("section ", entry.kind, " of part ", entry.part, " occurs twice"));
    entries_.push_back({kind, part, bytes.data() + entry.offset, entry.length, entry.checksum});
  }
  if (end != bytes.size()) damaged("there is something after the last section");
}

const IndexFile::Entry* IndexFile::find(SectionKind kind, Part part) const {
  // Version 1 knew no parts: a kind occurred once.
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return entry.kind == kind && (version_ == 1 || entry.part == part);
  });
  return found == entries_.end() ? nullptr : &*found;
}

const IndexFile::Entry& IndexFile::get(SectionKind kind, Part part) const {
  const Entry* entry = find(kind, part);
  if (!entry)
    damaged(message("section ", static_cast<uint32_t>(kind), " of part ", static_cast<uint32_t>(part), " is missing"));
  return *entry;
}

bool IndexFile::has(SectionKind kind, Part part) const { return find(kind, part) != nullptr; }

uint64_t IndexFile::length(SectionKind kind, Part part) const { return get(kind, part).length; }

uint64_t IndexFile::checksum_of(SectionKind kind, Part part) const { return get(kind, part).checksum; }

void IndexFile::read(SectionKind kind, Part part, void* data, uint64_t length) const {
  const Entry& entry = get(kind, part);
  if (entry.length != length) damaged(message("section ", static_cast<uint32_t>(kind), " has a wrong length"));
  if (length > 0) std::memcpy(data, entry.data, length);
  if (checksum(data, length) != entry.checksum)
    damaged(message("section ", static_cast<uint32_t>(kind), " is damaged (its checksum differs)"));
}

std::shared_ptr<const void> IndexFile::map(SectionKind kind, Part part) const { return {file_, get(kind, part).data}; }

}  // namespace pictrieve
