#include "pictrieve/index/distance/pq_kernels.h"

#include <cmath>
#include <limits>

#include "pictrieve/base/error.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "pictrieve/index/distance/pq_kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "pictrieve/index/distance/four_rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace pictrieve::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr int64_t kEntries = 256;

/// One by one: gathering is up to 1.6 times as fast on some processors and several times slower on those whose
/// microcode mends its leaks (Downfall, 2023).
void products_8bit(const float* HWY_RESTRICT table, int64_t m, const RowListOf<uint8_t>& codes, float* out) {
  for_each_four(codes, out, [&](const uint8_t* const* rows, const uint8_t* const* next, float* four) HWY_ATTR {
    prefetch_four(next, 0, m);
    float s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    const float* entries = table;
    for (int64_t j = 0; j < m; ++j, entries += kEntries) {
      s0 += entries[rows[0][j]];
      s1 += entries[rows[1][j]];
      s2 += entries[rows[2][j]];
      s3 += entries[rows[3][j]];
    }
    four[0] = s0, four[1] = s1, four[2] = s2, four[3] = s3;
  });
}

#if HWY_TARGET == HWY_SCALAR
void sum_block(const uint8_t* entries, const uint8_t* block, int64_t bytes, uint16_t* out) {
  std::fill_n(out, kBlockRows, uint16_t{0});
  for (int64_t i = 0; i < bytes; i += 16)
    for (int64_t b = 0; b < 16; ++b) {
      out[b] = static_cast<uint16_t>(out[b] + entries[i + (block[i + b] & 15)]);
      out[b + 16] = static_cast<uint16_t>(out[b + 16] + entries[i + (block[i + b] >> 4)]);
    }
}
#else
using Bytes = hn::ScalableTag<uint8_t>;
using Words = hn::ScalableTag<uint16_t>;

/// Adds up the parts of 16 bytes that a vector consists of.
template <class V>
HWY_INLINE auto sum_of_parts(V parts) {
  using D = hn::DFromV<V>;
  if constexpr (hn::MaxLanes(D()) == 8) {
    return parts;
  } else {
    const hn::Half<D> half;
    return sum_of_parts(hn::Add(hn::LowerHalf(half, parts), hn::UpperHalf(half, parts)));
  }
}

/// From sums of pairs of bytes as one number, and of their upper bytes: 16 sums, in order.
template <class V>
HWY_INLINE void store_sums(V pairs, V odd, uint16_t* out) {
  const hn::Full128<uint16_t> d;
  const auto upper = sum_of_parts(odd);
  const auto lower = hn::Sub(sum_of_parts(pairs), hn::ShiftLeft<8>(upper));
  hn::StoreU(hn::InterleaveLower(d, lower, upper), d, out);
  hn::StoreU(hn::InterleaveUpper(d, lower, upper), d, out + 8);
}

/// Sums of one block. A vector holds the tables of 1, 2 or 4 codes, 16 bytes each, and so do the loads of the block.
HWY_INLINE void sum_block(const uint8_t* HWY_RESTRICT entries, const uint8_t* HWY_RESTRICT block, int64_t bytes,
                          uint16_t* HWY_RESTRICT out) {
  const hn::ScalableTag<uint8_t> d8;
  const hn::ScalableTag<uint16_t> d16;
  const auto low_half = hn::Set(d8, 15);
  auto low = hn::Zero(d16), low_odd = low, high = low, high_odd = low;
  for (int64_t i = 0; i < bytes; i += static_cast<int64_t>(hn::Lanes(d8))) {
    const auto table = hn::LoadU(d8, entries + i);
    const auto codes = hn::LoadU(d8, block + i);
    const auto of_low = hn::BitCast(d16, hn::TableLookupBytes(table, hn::And(codes, low_half)));
    const auto upper = hn::BitCast(d8, hn::ShiftRight<4>(hn::BitCast(d16, codes)));
    const auto of_high = hn::BitCast(d16, hn::TableLookupBytes(table, hn::And(upper, low_half)));
    low = hn::Add(low, of_low);
    low_odd = hn::Add(low_odd, hn::ShiftRight<8>(of_low));
    high = hn::Add(high, of_high);
    high_odd = hn::Add(high_odd, hn::ShiftRight<8>(of_high));
  }
  store_sums(low, low_odd, out);
  store_sums(high, high_odd, out + 16);
}
#endif

void sums_4bit(const uint8_t* entries, int64_t m, const uint8_t* blocks, int64_t first, int64_t count, uint16_t* out) {
  const int64_t bytes = packed_block_bytes(m);
  for (int64_t row = first; row < first + count;) {
    const int64_t place = row % kBlockRows, taken = std::min(kBlockRows - place, first + count - row);
    uint16_t sums[kBlockRows];
    const bool whole = taken == kBlockRows;
    sum_block(entries, blocks + row / kBlockRows * bytes, bytes, whole ? out + (row - first) : sums);
    if (!whole) std::copy_n(sums + place, taken, out + (row - first));
    row += taken;
  }
}

}  // namespace pictrieve::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pictrieve {
namespace {

constexpr int64_t kCentroids = 16;

/// A row's place in its block: the byte of its first code, and the bits of that byte that are its.
struct Place {
  Place(int64_t row, int64_t m)
      : byte(row / kBlockRows * packed_block_bytes(m) + row % 16), shift(row % kBlockRows < 16 ? 0 : 4) {}

  int64_t of(int64_t code) const { return byte + 16 * code; }

  int64_t byte;
  int shift;
};

}  // namespace

HWY_EXPORT(products_8bit);
HWY_EXPORT(sums_4bit);

void pq_products(const float* table, int64_t m, const RowListOf<uint8_t>& codes, float* out) {
  HWY_DYNAMIC_DISPATCH(products_8bit)(table, m, codes, out);
}

void pack_codes(const uint8_t* codes, int64_t count, int64_t m, int64_t first, uint8_t* blocks) {
  for (int64_t row = first; row < first + count; ++row, codes += m) {
    const Place place(row, m);
    if (row % kBlockRows == 0) std::fill_n(blocks + place.byte, packed_block_bytes(m), uint8_t{0});
    for (int64_t j = 0; j < m; ++j) {
      uint8_t& byte = blocks[place.of(j)];
      byte = static_cast<uint8_t>((byte & ~(15 << place.shift)) | codes[j] << place.shift);
    }
  }
}

void unpack_codes(const uint8_t* blocks, int64_t first, int64_t count, int64_t m, uint8_t* codes) {
  for (int64_t row = first; row < first + count; ++row, codes += m) {
    const Place place(row, m);
    for (int64_t j = 0; j < m; ++j) codes[j] = blocks[place.of(j)] >> place.shift & 15;
  }
}

PackedTable packed_table(const float* table, int64_t m) {
  require(m >= 1 && m <= 65535, "packed_table: expected 1 to 65535 codes a row, got ", m);
  PackedTable packed{std::vector<uint8_t>(static_cast<size_t>(packed_block_bytes(m))), m};
  double bias = 0, widest = 0, error = 0, size = 0;
  for (int64_t j = 0; j < m; ++j) {
    const auto [low, high] = std::minmax_element(table + j * kCentroids, table + (j + 1) * kCentroids);
    bias += *low;
    widest = std::max(widest, double{*high} - *low);
    size += std::max(std::abs(*low), std::abs(*high));
  }
  const double steps = static_cast<double>(std::min<int64_t>(255, 65535 / m));
  packed.bias = static_cast<float>(bias);
  packed.scale = static_cast<float>(widest / steps);
  for (int64_t j = 0; j < m; ++j) {
    const float* entries = table + j * kCentroids;
    const double low = *std::min_element(entries, entries + kCentroids);
    double worst = 0;
    for (int64_t c = 0; c < kCentroids && packed.scale > 0; ++c) {
      const double step = std::clamp(std::nearbyint((entries[c] - low) / packed.scale), 0.0, steps);
      packed.entries[static_cast<size_t>(j * kCentroids + c)] = static_cast<uint8_t>(step);
      worst = std::max(worst, std::abs(entries[c] - low - packed.scale * step));
    }
    error += worst;
  }
  // What is left is rounding: of the bias, and of a key's product and sum.
  packed.error = static_cast<float>(error + 4 * std::numeric_limits<float>::epsilon() * size);
  return packed;
}

void packed_sums(const PackedTable& table, const PackedRows& list, uint16_t* out) {
  if (!list.rows) {
    HWY_DYNAMIC_DISPATCH(sums_4bit)(table.entries.data(), table.m, list.blocks, list.first, list.count, out);
    return;
  }
  for (int64_t i = 0; i < list.count; ++i) {
    const Place place(list.rows[i], table.m);
    uint32_t sum = 0;
    for (int64_t j = 0; j < table.m; ++j)
      sum += table.entries[static_cast<size_t>(j * kCentroids + (list.blocks[place.of(j)] >> place.shift & 15))];
    out[i] = static_cast<uint16_t>(sum);
  }
}

}  // namespace pictrieve
#endif
