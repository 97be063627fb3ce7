#include "pictrieve/base/replacing_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <random>
#include <utility>

#include "pictrieve/base/error.h"

namespace pictrieve {

ReplacingFile::ReplacingFile(std::string path) : path_(std::move(path)) {
  // The name is new even where a killed process of the same number left one.
  temporary_ = message(path_, ".", std::random_device{}(), ".tmp");
  descriptor_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail("cannot be created");
}

ReplacingFile::~ReplacingFile() {
  if (descriptor_ >= 0) close(descriptor_);
  if (!published_) unlink(temporary_.c_str());
}

void ReplacingFile::write(const void* data, uint64_t length) {
  const auto* from = static_cast<const char*>(data);
  while (length > 0) {
    const ssize_t written = ::write(descriptor_, from, length);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("cannot be written");
    from += written;
    length -= static_cast<uint64_t>(written);
  }
}

void ReplacingFile::publish() {
  if (fsync(descriptor_) != 0) fail("cannot be flushed");
  if (close(std::exchange(descriptor_, -1)) != 0) fail("cannot be closed");
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) fail("cannot be replaced");
  published_ = true;
  sync_folder();
}

void ReplacingFile::sync_folder() const {
  const std::string folder = std::filesystem::path(path_).parent_path().string();
  const int descriptor = open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) fail("is in a folder that cannot be opened");
  const int failed = fsync(descriptor);
  close(descriptor);
  if (failed != 0) fail("is in a folder that cannot be flushed");
}

void ReplacingFile::fail(const char* what) const {
  const int code = errno;
  throw FileError(path_, code, message(what, ": ", std::strerror(code)));
}

}  // namespace pictrieve
