#include "pictrieve/index/checksum.h"

#include <bit>
#include <cstring>

namespace pictrieve {
namespace {

static_assert(std::endian::native == std::endian::little, "index files are little-endian and read without conversion");

constexpr uint64_t kPrime1 = 0x9E3779B185EBCA87U;
constexpr uint64_t kPrime2 = 0xC2B2AE3D27D4EB4FU;
constexpr uint64_t kPrime3 = 0x165667B19E3779F9U;
constexpr uint64_t kPrime4 = 0x85EBCA77C2B2AE63U;
constexpr uint64_t kPrime5 = 0x27D4EB2F165667C5U;

template <typename T>
uint64_t read(const unsigned char* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

uint64_t round(uint64_t lane, uint64_t input) { return std::rotl(lane + input * kPrime2, 31) * kPrime1; }

uint64_t merge(uint64_t hash, uint64_t lane) { return (hash ^ round(0, lane)) * kPrime1 + kPrime4; }

uint64_t stripes(const unsigned char*& bytes, size_t& left) {
  uint64_t lanes[4] = {kPrime1 + kPrime2, kPrime2, 0, 0 - kPrime1};
  for (; left >= 32; left -= 32, bytes += 32)
    for (int i = 0; i < 4; ++i) lanes[i] = round(lanes[i], read<uint64_t>(bytes + 8 * i));
  uint64_t hash = std::rotl(lanes[0], 1) + std::rotl(lanes[1], 7) + std::rotl(lanes[2], 12) + std::rotl(lanes[3], 18);
  for (const uint64_t lane : lanes) hash = merge(hash, lane);
  return hash;
}

}  // namespace

uint64_t checksum(const void* data, size_t size) {
  const auto* bytes = static_cast<const unsigned char*>(data);
  size_t left = size;
  uint64_t hash = size >= 32 ? stripes(bytes, left) : kPrime5;
  hash += size;
  for (; left >= 8; left -= 8, bytes += 8)
    hash = std::rotl(hash ^ round(0, read<uint64_t>(bytes)), 27) * kPrime1 + kPrime4;
  if (left >= 4) {
    hash = std::rotl(hash ^ (read<uint32_t>(bytes) * kPrime1), 23) * kPrime2 + kPrime3;
    left -= 4;
    bytes += 4;
  }
  for (; left > 0; --left, ++bytes) hash = std::rotl(hash ^ (*bytes * kPrime5), 11) * kPrime1;
  hash = (hash ^ (hash >> 33)) * kPrime2;
  hash = (hash ^ (hash >> 29)) * kPrime3;
  return hash ^ (hash >> 32);
}

}  // namespace pictrieve
