#include "pictrieve/image/augment/random.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace pictrieve {
namespace {

uint32_t low_half(uint64_t value) { return static_cast<uint32_t>(value); }
uint32_t high_half(uint64_t value) { return static_cast<uint32_t>(value >> 32); }

}  // namespace

std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  constexpr uint64_t kFirst = 0xD2511F53, kSecond = 0xCD9E8D57;
  constexpr uint32_t kGolden = 0x9E3779B9, kRootOfThree = 0xBB67AE85;
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = kFirst * counter[0], b = kSecond * counter[2];
    counter = {high_half(b) ^ counter[1] ^ key[0], low_half(b), high_half(a) ^ counter[3] ^ key[1], low_half(a)};
    key[0] += kGolden;
    key[1] += kRootOfThree;
  }
  return counter;
}

RandomStream::RandomStream(uint64_t seed, const AugmentItem& item, uint16_t step) {
  const auto index = static_cast<uint64_t>(item.index);
  const uint32_t place = uint32_t{item.view} << 16 | step;
  const auto words = philox({low_half(index), high_half(index), item.epoch, place}, {low_half(seed), high_half(seed)});
  key_ = {words[0], words[1]};
  high_ = {words[2], words[3]};
}

uint32_t RandomStream::word() {
  if (used_ == 4) {
    block_ = philox({low_half(next_block_), high_half(next_block_), high_[0], high_[1]}, key_);
    ++next_block_;
    used_ = 0;
  }
  return block_[used_++];
}

double RandomStream::uniform() {
  const uint64_t high = word();
  return static_cast<double>((high << 32 | word()) >> 11) * 0x1p-53;
}

double RandomStream::uniform(Range range) { return range.low + uniform() * (range.high - range.low); }

int64_t RandomStream::below(int64_t count) { return static_cast<int64_t>(uniform() * static_cast<double>(count)); }

void RandomStream::normals(std::span<float> out) {
  for (size_t i = 0; i < out.size(); i += 2) {
    const float radius = std::sqrt(-2 * std::log((static_cast<float>(word()) + 1) * 0x1p-32F));
    const float angle = static_cast<float>(word()) * (0x1p-31F * std::numbers::pi_v<float>);
    out[i] = radius * std::cos(angle);
    if (i + 1 < out.size()) out[i + 1] = radius * std::sin(angle);
  }
}

void RandomStream::bytes(std::span<uint8_t> out) {
  for (size_t i = 0; i < out.size(); i += 4) {
    const uint32_t four = word();
    for (size_t j = i; j < std::min(i + 4, out.size()); ++j) out[j] = static_cast<uint8_t>(four >> 8 * (j - i));
  }
}

double RandomStream::gamma(double shape) {
  if (shape < 1) {  // the number of shape + 1, shrunk
    const double larger = gamma(shape + 1);
    return larger * std::pow(1 - uniform(), 1 / shape);
  }
  const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    float x = 0;
    normals({&x, 1});
    const double cube = std::pow(1 + c * x, 3);
    if (cube <= 0) continue;
    if (std::log(1 - uniform()) < 0.5 * x * x + d - d * cube + d * std::log(cube)) return d * cube;
  }
}

double RandomStream::beta(double shape) {
  const double a = gamma(shape), b = gamma(shape);
  return a + b > 0 ? a / (a + b) : 0.5;  // both may vanish where the shape is tiny
}

}  // namespace pictrieve
