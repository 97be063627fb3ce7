#include "pictrieve/image/source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "pictrieve/base/error.h"

namespace pictrieve {
namespace {

class OpenFile {
 public:
  explicit OpenFile(const std::string& path) : path_(path), handle_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (handle_ < 0) fail(errno);
  }
  ~OpenFile() {
    if (handle_ >= 0) close(handle_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  size_t size() const {
    struct stat facts{};
    if (fstat(handle_, &facts) != 0) fail(errno);
    if (S_ISDIR(facts.st_mode)) fail(EISDIR);
    return static_cast<size_t>(facts.st_size);
  }

  size_t read_some(uint8_t* to, size_t count) const {
    for (;;) {
      const ssize_t got = read(handle_, to, count);
      if (got >= 0) return static_cast<size_t>(got);
      if (errno != EINTR) fail(errno);
    }
  }

 private:
  [[noreturn]] void fail(int error) const {
    throw FileError(path_, error, message("cannot read the picture: ", std::strerror(error)));
  }

  std::string path_;
  int handle_;
};

}  // namespace

std::vector<uint8_t> read_file(const std::string& path) {
  const OpenFile file(path);
  std::vector<uint8_t> bytes(file.size() + 1);  // the extra byte lets the end show without another round
  size_t filled = 0;
  while (const size_t got = file.read_some(bytes.data() + filled, bytes.size() - filled)) {
    filled += got;
    if (filled == bytes.size()) bytes.resize(2 * filled);  // a pipe, or a file that grows
  }
  bytes.resize(filled);
  return bytes;
}

Image decode_source(const ImageSource& source, const DecodeOptions& options) {
  if (const auto* pixels = std::get_if<ImageView>(&source)) return to_rgb(*pixels, options.alpha);
  if (const auto* bytes = std::get_if<std::span<const uint8_t>>(&source)) return decode(*bytes, options);
  const auto& path = std::get<std::string>(source);
  const std::vector<uint8_t> bytes = read_file(path);
  try {
    return decode(bytes, options);
  } catch (const DecodeError& e) {
    throw DecodeError(path + ": " + e.what());
  }
}

}  // namespace pictrieve
