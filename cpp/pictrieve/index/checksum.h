// Notices damaged bytes; no defence against those who forge them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pictrieve {

/// XXH64 with seed 0 (Collet, github.com/Cyan4973/xxHash, doc/xxhash_spec.md): several GB/s, 64 bits.
uint64_t checksum(const void* bytes, size_t size);

}  // namespace pictrieve
