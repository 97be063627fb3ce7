#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <random>
#include <utility>

#include "pictrieve/base/error.h"
#include "pictrieve/index/checksum.h"
#include "pictrieve/index/index_file.h"
#include "pictrieve/index/index_file_layout.h"

namespace pictrieve {
namespace {

/// A file that exists under a temporary name until publish() gives it its own.
class NewFile {
 public:
  explicit NewFile(std::string path) : path_(std::move(path)) {
    // The name is new even where a killed process of the same number left one.
    temporary_ = message(path_, ".", std::random_device{}(), ".tmp");
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ < 0) fail("cannot create");
  }
  ~NewFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!published_ && !temporary_.empty()) ::unlink(temporary_.c_str());
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  void write(const void* data, uint64_t length) {
    const auto* from = static_cast<const char*>(data);
    while (length > 0) {
      const ssize_t written = ::write(descriptor_, from, length);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail("cannot write");
      from += written;
      length -= static_cast<uint64_t>(written);
    }
  }

  void publish() {
    if (::fsync(descriptor_) != 0) fail("cannot flush");
    if (::close(std::exchange(descriptor_, -1)) != 0) fail("cannot close");
    if (std::rename(temporary_.c_str(), path_.c_str()) != 0) fail("cannot rename");
    published_ = true;
    sync_folder();
  }

 private:
  void sync_folder() const {
    const std::string folder = std::filesystem::path(path_).parent_path().string();
    const int descriptor = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) fail("cannot open the folder of");
    const int failed = ::fsync(descriptor);
    ::close(descriptor);
    if (failed != 0) fail("cannot flush the folder of");
  }

  [[noreturn]] void fail(const char* what) const {
    throw FileError(path_, errno, message(what, " the index file: ", std::strerror(errno)));
  }

  std::string path_;
  std::string temporary_;
  int descriptor_ = -1;
  bool published_ = false;
};

uint64_t aligned(uint64_t offset) { return (offset + kAlignment - 1) / kAlignment * kAlignment; }

void append(std::vector<unsigned char>& bytes, const void* data, size_t size) {
  const auto* first = static_cast<const unsigned char*>(data);
  bytes.insert(bytes.end(), first, first + size);
}

}  // namespace

void write_index_file(const std::string& path, std::span<const Section> sections) {
  std::vector<unsigned char> table;
  uint64_t offset = aligned(sizeof(FileHead) + sections.size() * kEntryBytes);
  uint64_t size = offset;
  for (const Section& section : sections) {
    const uint32_t kind[2] = {static_cast<uint32_t>(section.kind), 0};
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

  NewFile file(path);
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
