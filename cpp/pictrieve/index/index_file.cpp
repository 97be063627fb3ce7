#include "pictrieve/index/index_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "pictrieve/base/checksum.h"
#include "pictrieve/base/error.h"
#include "pictrieve/index/index_file_layout.h"

namespace pictrieve {

IndexFile::IndexFile(const std::string& path) : path_(path), descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  if (descriptor_ < 0) throw FileError(path, errno, message("cannot open the index file: ", std::strerror(errno)));
  try {
    struct stat status{};
    if (::fstat(descriptor_, &status) != 0) throw FileError(path, errno, "cannot read the size of the index file");
    if (!S_ISREG(status.st_mode)) damaged("not a regular file");
    size_ = static_cast<uint64_t>(status.st_size);
    read_table();
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
}

IndexFile::~IndexFile() { ::close(descriptor_); }

void IndexFile::damaged(const std::string& what) const {
  throw FormatError(message("index file ", path_, ": ", what, "; rebuild it or restore a copy"));
}

void IndexFile::read_table() {
  if (size_ < sizeof(FileHead)) damaged("too short to be an index");
  FileHead head;
  read_bytes(0, &head, sizeof(head));
  if (std::memcmp(head.magic, kMagic, sizeof(kMagic)) != 0) damaged("does not begin as an index of pictrieve does");
  require<FormatError>(head.version <= kIndexFileVersion, "index file ", path_, ": has format version ", head.version,
                       ", this library reads up to ", kIndexFileVersion, "; open it with a newer pictrieve");
  const uint64_t table_bytes = uint64_t{head.sections} * sizeof(Entry);
  if (head.size != size_ || head.sections > kMostSections || sizeof(head) + table_bytes > size_) damaged("was cut");
  static_assert(sizeof(Entry) == kEntryBytes);
  std::vector<unsigned char> covered(kCheckedHeadBytes + table_bytes);
  entries_.resize(head.sections);
  read_bytes(sizeof(head), entries_.data(), table_bytes);
  std::memcpy(covered.data(), &head, kCheckedHeadBytes);
  std::memcpy(covered.data() + kCheckedHeadBytes, entries_.data(), table_bytes);
  if (checksum(covered.data(), covered.size()) != head.checksum) damaged("the section table is damaged");
  for (const Entry& entry : entries_)
    if (entry.offset % kAlignment != 0 || entry.offset > size_ || entry.length > size_ - entry.offset)
      damaged("a section lies outside of the file");
}

const IndexFile::Entry* IndexFile::find(SectionKind kind) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(), [kind](const Entry& e) { return e.kind == kind; });
  return found == entries_.end() ? nullptr : &*found;
}

const IndexFile::Entry& IndexFile::get(SectionKind kind) const {
  const Entry* entry = find(kind);
  if (!entry) damaged(message("section ", static_cast<uint32_t>(kind), " is missing"));
  return *entry;
}

uint64_t IndexFile::length(SectionKind kind) const { return get(kind).length; }

uint64_t IndexFile::checksum_of(SectionKind kind) const { return get(kind).checksum; }

void IndexFile::read(SectionKind kind, void* data, uint64_t length) const {
  const Entry& entry = get(kind);
  if (entry.length != length) damaged(message("section ", static_cast<uint32_t>(kind), " has a wrong length"));
  read_bytes(entry.offset, data, length);
  if (checksum(data, length) != entry.checksum)
    damaged(message("section ", static_cast<uint32_t>(kind), " is damaged (its checksum differs)"));
}

void IndexFile::read_bytes(uint64_t offset, void* data, uint64_t length) const {
  auto* to = static_cast<char*>(data);
  while (length > 0) {
    const ssize_t got = ::pread(descriptor_, to, length, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw FileError(path_, errno, message("cannot read the index file: ", std::strerror(errno)));
    if (got == 0) damaged("became shorter while it was read");
    to += got;
    offset += static_cast<uint64_t>(got);
    length -= static_cast<uint64_t>(got);
  }
}

std::shared_ptr<float[]> IndexFile::map_floats(SectionKind kind) const {
  const Entry& entry = get(kind);
  if (entry.length == 0) return {};
  // Mapped from the start of the file, because a mapping begins at a page and a section at a multiple of 64.
  const uint64_t bytes = entry.offset + entry.length;
  void* start = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, descriptor_, 0);
  if (start == MAP_FAILED) throw FileError(path_, errno, message("cannot map the index file: ", std::strerror(errno)));
  auto* floats = reinterpret_cast<float*>(static_cast<char*>(start) + entry.offset);
  return {floats, [start, bytes](float*) { ::munmap(start, bytes); }};
}

}  // namespace pictrieve
