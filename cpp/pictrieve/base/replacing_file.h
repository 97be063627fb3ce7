// A file that takes its place in one step.
#pragma once

#include <cstdint>
#include <string>

namespace pictrieve {

/// Written beside its final place under a temporary name; `publish` flushes it to the disk, renames it and flushes the
/// folder: readers and a crash see the old file or the whole new one. Removed where it was not published. FileError
/// where the system refuses.
class ReplacingFile {
 public:
  explicit ReplacingFile(std::string path);
  ~ReplacingFile();
  ReplacingFile(const ReplacingFile&) = delete;
  ReplacingFile& operator=(const ReplacingFile&) = delete;

  void write(const void* data, uint64_t length);
  void publish();

 private:
  void sync_folder() const;
  [[noreturn]] void fail(const char* what) const;

  std::string path_;
  std::string temporary_;
  int descriptor_ = -1;
  bool published_ = false;
};

}  // namespace pictrieve
