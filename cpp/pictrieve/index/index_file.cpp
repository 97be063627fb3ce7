#include "pictrieve/index/index_file.h"

#include <algorithm>
#include <cstring>

#include "pictrieve/base/checksum.h"
#include "pictrieve/base/error.h"
#include "pictrieve/index/index_file_layout.h"

namespace pictrieve {

IndexFile::IndexFile(const std::string& path) : path_(path), file_(std::make_shared<const MappedFile>(path)) {
  read_table();
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
  const uint64_t table_bytes = uint64_t{head.sections} * sizeof(Entry);
  if (head.size != bytes.size() || head.sections > kMostSections || sizeof(head) + table_bytes > bytes.size())
    damaged("was cut");
  static_assert(sizeof(Entry) == kEntryBytes);
  std::vector<unsigned char> covered(kCheckedHeadBytes + table_bytes);
  entries_.resize(head.sections);
  std::memcpy(entries_.data(), bytes.data() + sizeof(head), table_bytes);
  std::memcpy(covered.data(), &head, kCheckedHeadBytes);
  std::memcpy(covered.data() + kCheckedHeadBytes, entries_.data(), table_bytes);
  if (checksum(covered.data(), covered.size()) != head.checksum) damaged("the section table is damaged");
  for (const Entry& entry : entries_)
    if (entry.offset % kAlignment != 0 || entry.offset > bytes.size() || entry.length > bytes.size() - entry.offset)
      damaged("a section lies outside of the file");
}

const IndexFile::Entry& IndexFile::get(SectionKind kind) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(), [kind](const Entry& e) { return e.kind == kind; });
  if (found == entries_.end()) damaged(message("section ", static_cast<uint32_t>(kind), " is missing"));
  return *found;
}

uint64_t IndexFile::length(SectionKind kind) const { return get(kind).length; }

uint64_t IndexFile::checksum_of(SectionKind kind) const { return get(kind).checksum; }

void IndexFile::read(SectionKind kind, void* data, uint64_t length) const {
  const Entry& entry = get(kind);
  if (entry.length != length) damaged(message("section ", static_cast<uint32_t>(kind), " has a wrong length"));
  if (length > 0) std::memcpy(data, file_->bytes().data() + entry.offset, length);
  if (checksum(data, length) != entry.checksum)
    damaged(message("section ", static_cast<uint32_t>(kind), " is damaged (its checksum differs)"));
}

std::shared_ptr<float[]> IndexFile::map_floats(SectionKind kind) const {
  const auto* floats = reinterpret_cast<const float*>(file_->bytes().data() + get(kind).offset);
  return {file_, const_cast<float*>(floats)};  // VectorStore writes to memory of its own only
}

}  // namespace pictrieve
