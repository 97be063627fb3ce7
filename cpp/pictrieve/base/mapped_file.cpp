#include "pictrieve/base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "pictrieve/base/error.h"

namespace pictrieve {
namespace {

[[noreturn]] void fail(const std::string& path, int code, const char* what) {
  throw FileError(path, code, message(what, ": ", std::strerror(code)));
}

/// Closes on every way out.
struct Descriptor {
  int number;
  ~Descriptor() { close(number); }
};

}  // namespace

MappedFile::MappedFile(const std::string& path) {
  const int opened = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // do not wait for the writer of a pipe
  if (opened < 0) fail(path, errno, "cannot be opened");
  const Descriptor file{opened};
  struct stat status{};
  if (fstat(file.number, &status) != 0) fail(path, errno, "cannot be examined");
  if (S_ISDIR(status.st_mode)) fail(path, EISDIR, "expected a file");
  if (!S_ISREG(status.st_mode)) fail(path, EINVAL, "expected a regular file");
  if (status.st_size == 0) return;  // an empty mapping is an error of mmap
  size_ = static_cast<size_t>(status.st_size);
  void* memory = mmap(nullptr, size_, PROT_READ, MAP_SHARED, file.number, 0);
  if (memory == MAP_FAILED) fail(path, errno, "cannot be mapped");
  data_ = static_cast<const std::byte*>(memory);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace pictrieve
