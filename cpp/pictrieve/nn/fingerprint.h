// The two hash functions behind StateDict::fingerprint.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace pictrieve {

/// XXH64 with seed 0 (xxHash fast digest algorithm, specification 0.2.0): as fast as memory, not cryptographic.
uint64_t xxh64(std::span<const std::byte> bytes);

/// SHA-256 (FIPS 180-4) as 64 hexadecimal digits; for short inputs.
std::string sha256_hex(std::span<const std::byte> bytes);

}  // namespace pictrieve
