// Notices damaged bytes and tells contents apart, at the speed of memory; no defence against those who forge them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace pictrieve {

/// XXH64 with seed 0.
uint64_t checksum(const void* bytes, size_t size);

/// XXH3 of 128 bits as 32 hexadecimal digits.
std::string content_digest(std::string_view bytes);

}  // namespace pictrieve
