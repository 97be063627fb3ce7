#include "pictrieve/nn/fingerprint.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <vector>

#include "pictrieve/base/parallel.h"
#include "pictrieve/nn/state_dict.h"

namespace pictrieve {
namespace {

constexpr uint64_t kPrime1 = 0x9E3779B185EBCA87;
constexpr uint64_t kPrime2 = 0xC2B2AE3D27D4EB4F;
constexpr uint64_t kPrime3 = 0x165667B19E3779F9;
constexpr uint64_t kPrime4 = 0x85EBCA77C2B2AE63;
constexpr uint64_t kPrime5 = 0x27D4EB2F165667C5;

template <typename T>
T load(const std::byte* p) {
  T value;
  std::memcpy(&value, p, sizeof(T));
  return value;
}

uint64_t mix(uint64_t sum, uint64_t input) { return std::rotl(sum + input * kPrime2, 31) * kPrime1; }

/// The specification's steps 1 to 3: whole stripes of 32 bytes through four sums. Moves `p` to the rest.
uint64_t stripes(const std::byte*& p, size_t size) {
  std::array<uint64_t, 4> sums{kPrime1 + kPrime2, kPrime2, 0, uint64_t{0} - kPrime1};
  for (size_t stripe = 0; stripe < size / 32; ++stripe)
    for (uint64_t& sum : sums) {
      sum = mix(sum, load<uint64_t>(p));
      p += 8;
    }
  uint64_t all = std::rotl(sums[0], 1) + std::rotl(sums[1], 7) + std::rotl(sums[2], 12) + std::rotl(sums[3], 18);
  for (const uint64_t sum : sums) all = (all ^ mix(0, sum)) * kPrime1 + kPrime4;
  return all;
}

// The first 32 bits of the fractional parts of the cube roots of the first 64 primes (FIPS 180-4, 4.2.2).
constexpr std::array<uint32_t, 64> kRounds{
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

using Digest = std::array<uint32_t, 8>;

/// FIPS 180-4, 6.2.2: one block of 64 bytes.
void absorb(Digest& digest, const std::byte* block) {
  std::array<uint32_t, 64> w;
  for (size_t t = 0; t < 16; ++t) w[t] = __builtin_bswap32(load<uint32_t>(block + 4 * t));
  for (size_t t = 16; t < 64; ++t) {
    const uint32_t s0 = std::rotr(w[t - 15], 7) ^ std::rotr(w[t - 15], 18) ^ w[t - 15] >> 3;
    const uint32_t s1 = std::rotr(w[t - 2], 17) ^ std::rotr(w[t - 2], 19) ^ w[t - 2] >> 10;
    w[t] = s1 + w[t - 7] + s0 + w[t - 16];
  }
  auto [a, b, c, d, e, f, g, h] = digest;
  for (size_t t = 0; t < 64; ++t) {
    const uint32_t choice = (e & f) ^ (~e & g);
    const uint32_t majority = (a & b) ^ (a & c) ^ (b & c);
    const uint32_t t1 = h + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) + choice + kRounds[t] + w[t];
    const uint32_t t2 = (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) + majority;
    h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
  }
  const Digest change{a, b, c, d, e, f, g, h};
  for (size_t i = 0; i < 8; ++i) digest[i] += change[i];
}

std::string hex(uint64_t value, int digits) {
  std::string text(static_cast<size_t>(digits), '0');
  for (auto digit = text.rbegin(); digit != text.rend(); ++digit, value >>= 4) *digit = "0123456789abcdef"[value & 15];
  return text;
}

}  // namespace

uint64_t xxh64(std::span<const std::byte> bytes) {
  const std::byte* p = bytes.data();
  uint64_t sum = (bytes.size() >= 32 ? stripes(p, bytes.size()) : kPrime5) + bytes.size();
  const size_t rest = bytes.size() % 32;
  for (size_t i = 0; i < rest / 8; ++i, p += 8)
    sum = std::rotl(sum ^ mix(0, load<uint64_t>(p)), 27) * kPrime1 + kPrime4;
  if (rest % 8 >= 4) {
    sum = std::rotl(sum ^ load<uint32_t>(p) * kPrime1, 23) * kPrime2 + kPrime3;
    p += 4;
  }
  for (size_t i = 0; i < rest % 4; ++i, ++p) sum = std::rotl(sum ^ load<uint8_t>(p) * kPrime5, 11) * kPrime1;
  sum = (sum ^ sum >> 33) * kPrime2;
  sum = (sum ^ sum >> 29) * kPrime3;
  return sum ^ sum >> 32;
}

std::string sha256_hex(std::span<const std::byte> bytes) {
  std::vector<std::byte> padded(bytes.begin(), bytes.end());
  padded.push_back(std::byte{0x80});
  padded.resize((padded.size() + 8 + 63) / 64 * 64);
  const uint64_t bits = __builtin_bswap64(uint64_t{bytes.size()} * 8);
  std::memcpy(padded.data() + padded.size() - 8, &bits, 8);
  Digest digest{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  for (size_t i = 0; i < padded.size(); i += 64) absorb(digest, padded.data() + i);
  std::string text;
  for (const uint32_t word : digest) text += hex(word, 8);
  return text;
}

std::string StateDict::fingerprint() const {
  constexpr int64_t kChunk = 1 << 20;  // part of the definition: threads share large tensors
  std::vector<std::span<const std::byte>> chunks;
  for (const auto& [name, tensor] : tensors_)
    for (int64_t begin = 0; begin < tensor.bytes(); begin += kChunk)
      chunks.emplace_back(tensor.data + begin, static_cast<size_t>(std::min(kChunk, tensor.bytes() - begin)));
  std::vector<uint64_t> hashes(chunks.size());
  parallel_for(static_cast<int64_t>(chunks.size()), 4, [&](int64_t begin, int64_t end, Worker) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) hashes[i] = xxh64(chunks[i]);
  });
  std::string lines;
  size_t next = 0;
  for (const auto& [name, tensor] : tensors_) {
    lines += std::to_string(name.size()) + ' ' + name + ' ' + describe(tensor);
    for (int64_t begin = 0; begin < tensor.bytes(); begin += kChunk) lines += ' ' + hex(hashes[next++], 16);
    lines += '\n';
  }
  return sha256_hex(std::as_bytes(std::span(lines)));
}

}  // namespace pictrieve
