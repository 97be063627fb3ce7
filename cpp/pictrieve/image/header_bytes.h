// Numbers out of bytes that nobody has checked yet.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "pictrieve/base/error.h"

namespace pictrieve {

/// Bounds-checked reads at absolute offsets; past the end is a DecodeError.
class HeaderBytes {
 public:
  explicit HeaderBytes(std::span<const uint8_t> bytes, bool big_endian = false)
      : bytes_(bytes), big_endian_(big_endian) {}

  uint64_t size() const { return bytes_.size(); }
  bool has(uint64_t at, uint64_t count) const { return at <= size() && count <= size() - at; }

  bool matches(uint64_t at, std::string_view text) const {
    return has(at, text.size()) && std::memcmp(bytes_.data() + at, text.data(), text.size()) == 0;
  }
  uint32_t u8(uint64_t at) const { return number(at, 1); }
  uint32_t u16(uint64_t at) const { return number(at, 2); }
  uint32_t u24(uint64_t at) const { return number(at, 3); }
  uint32_t u32(uint64_t at) const { return number(at, 4); }

  /// From `at` on, at most `count` bytes.
  std::span<const uint8_t> part(uint64_t at, uint64_t count) const {
    if (at >= size()) return {};
    return bytes_.subspan(at, std::min<uint64_t>(count, size() - at));
  }

 private:
  uint32_t number(uint64_t at, uint32_t count) const {
    require<DecodeError>(has(at, count), "picture: the file ends inside its header (", size(),
                         " bytes); it is truncated");
    uint32_t value = 0;
    for (uint32_t i = 0; i < count; ++i) value |= uint32_t{bytes_[at + i]} << 8 * (big_endian_ ? count - 1 - i : i);
    return value;
  }

  std::span<const uint8_t> bytes_;
  bool big_endian_;
};

}  // namespace pictrieve
