// Little-endian numbers from bytes that nobody trusts.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "pictrieve/base/error.h"

namespace pictrieve {

static_assert(std::endian::native == std::endian::little, "weights are read in place, as little-endian numbers");

/// Foreign text for a message: short, and ASCII only.
inline std::string shown(std::string_view text) {
  constexpr size_t kLongest = 100;
  std::string out(text.substr(0, kLongest));
  for (char& c : out)
    if (c < ' ' || c > '~') c = '?';
  return text.size() > kLongest ? out + "..." : out;
}

/// Walks over borrowed bytes; FormatError where they end too early.
class ByteReader {
 public:
  ByteReader(std::span<const std::byte> bytes, std::string source) : bytes_(bytes), source_(std::move(source)) {}

  std::span<const std::byte> take(uint64_t count) {
    require<FormatError>(count <= left(), source_, ": is cut off or damaged: expected ", count, " bytes at offset ",
                         position_, ", got ", left());
    const auto taken = bytes_.subspan(position_, static_cast<size_t>(count));
    position_ += taken.size();
    return taken;
  }

  template <typename T>
  T read() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }

  /// Text up to the next line feed, which is dropped.
  std::string line() {
    std::string text;
    for (char c = read<char>(); c != '\n'; c = read<char>()) {
      text += c;
      require<FormatError>(text.size() <= 1000, source_, ": a line at offset ", position_, " does not end");
    }
    return text;
  }

  std::string text(uint64_t count) {
    const auto taken = take(count);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }

  void seek(uint64_t position) {
    require<FormatError>(position <= bytes_.size(), source_, ": is cut off or damaged: offset ", position,
                         " lies beyond its ", bytes_.size(), " bytes");
    position_ = static_cast<size_t>(position);
  }

  size_t position() const { return position_; }
  size_t left() const { return bytes_.size() - position_; }
  const std::string& source() const { return source_; }

 private:
  std::span<const std::byte> bytes_;
  std::string source_;
  size_t position_ = 0;
};

}  // namespace pictrieve
