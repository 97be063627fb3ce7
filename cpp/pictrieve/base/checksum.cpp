#include "pictrieve/base/checksum.h"

#include <xxhash.h>

#include <bit>

namespace pictrieve {

static_assert(std::endian::native == std::endian::little, "our files are little-endian and read without conversion");

uint64_t checksum(const void* bytes, size_t size) { return XXH64(bytes, size, 0); }

std::string content_digest(std::string_view bytes) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.data(), bytes.size()));
  std::string digits;
  for (const unsigned char byte : canonical.digest) {
    digits += "0123456789abcdef"[byte >> 4];
    digits += "0123456789abcdef"[byte & 15];
  }
  return digits;
}

}  // namespace pictrieve
