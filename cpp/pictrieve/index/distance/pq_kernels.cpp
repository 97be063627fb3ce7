#include "pictrieve/index/distance/pq_kernels.h"

#include <algorithm>
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
constexpr int64_t kCentroids = 16;

/// One by one: gathering is up to 1.6 times as fast on some processors and several times slower on those whose
/// microcode mends its leaks (Downfall, 2023).
void products_8bit(const float* HWY_RESTRICT table, int64_t m, const RowListOf<uint8_t>& codes, float* out) {
  for_each_four(codes, out, [&](const uint8_t* const* rows, const uint8_t* const* next, float* four) HWY_ATTR {
    prefetch_four(next, 0, m);
    float even[4] = {}, odd[4] = {};  // two sums a row, since an addition waits for the one before
    const float* entries = table;
    int64_t j = 0;
    for (; j + 2 <= m; j += 2, entries += 2 * kEntries)
      for (int r = 0; r < 4; ++r) {
        even[r] += entries[rows[r][j]];
        odd[r] += entries[kEntries + rows[r][j + 1]];
      }
    for (int r = 0; r < 4; ++r) four[r] = even[r] + odd[r] + (j < m ? entries[rows[r][j]] : 0);
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
    const auto of_high = hn::BitCast(d16, hn::TableLookupBytes(table, hn::ShiftRight<4>(codes)));
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

using Floats = hn::CappedTag<float, kCentroids>;

struct Bounds {
  float low;
  float high;
};

HWY_INLINE Bounds bounds_of(const float* entries) {
  const Floats d;
  auto low = hn::LoadU(d, entries), high = low;
  for (int64_t c = static_cast<int64_t>(hn::Lanes(d)); c < kCentroids; c += static_cast<int64_t>(hn::Lanes(d))) {
    low = hn::Min(low, hn::LoadU(d, entries + c));
    high = hn::Max(high, hn::LoadU(d, entries + c));
  }
  return {hn::GetLane(hn::MinOfLanes(d, low)), hn::GetLane(hn::MaxOfLanes(d, high))};
}

/// Puts one code's entries into steps above `low`, and gives how far one of them is from its step at most.
HWY_INLINE float round_entries(const float* entries, float low, float scale, float steps, uint8_t* out) {
  const Floats d;
  auto worst = hn::Zero(d);
  for (int64_t c = 0; c < kCentroids; c += static_cast<int64_t>(hn::Lanes(d))) {
    const auto above = hn::Sub(hn::LoadU(d, entries + c), hn::Set(d, low));
    const auto step = hn::NearestInt(hn::Min(hn::Div(above, hn::Set(d, scale)), hn::Set(d, steps)));
    hn::StoreU(hn::DemoteTo(hn::Rebind<uint8_t, Floats>(), step), hn::Rebind<uint8_t, Floats>(), out + c);
    worst = hn::Max(worst, hn::Abs(hn::NegMulAdd(hn::ConvertTo(d, step), hn::Set(d, scale), above)));
  }
  return hn::GetLane(hn::MaxOfLanes(d, worst));
}

void round_table(const float* table, PackedTable& packed) {
  const auto steps = static_cast<float>(std::min<int64_t>(255, 65535 / packed.m));
  double bias = 0, error = 0, size = 0;
  float widest = 0;
  for (int64_t j = 0; j < packed.m; ++j) {
    const Bounds bounds = bounds_of(table + j * kCentroids);
    bias += bounds.low;
    widest = std::max(widest, bounds.high - bounds.low);
    size += std::max(std::abs(bounds.low), std::abs(bounds.high));
  }
  packed.bias = static_cast<float>(bias);
  packed.scale = widest / steps;
  for (int64_t j = 0; j < packed.m && packed.scale > 0; ++j) {
    const float* entries = table + j * kCentroids;
    error +=
        round_entries(entries, bounds_of(entries).low, packed.scale, steps, packed.entries.data() + j * kCentroids);
  }
  // What is left is rounding: of the bias, of entries less the lowest, and of a key's product and sum.
  packed.error = static_cast<float>(error + 8 * std::numeric_limits<float>::epsilon() * size);
}

void keys_of_sums(const uint16_t* HWY_RESTRICT sums, int64_t count, float scale, float bias, float* HWY_RESTRICT out) {
  const hn::ScalableTag<float> d;
  const hn::Rebind<uint16_t, decltype(d)> d16;
  const hn::RebindToSigned<decltype(d)> d32;
  int64_t i = 0;
  for (; i + static_cast<int64_t>(hn::Lanes(d)) <= count; i += static_cast<int64_t>(hn::Lanes(d))) {
    const auto sum = hn::ConvertTo(d, hn::PromoteTo(d32, hn::LoadU(d16, sums + i)));
    hn::StoreU(hn::MulAdd(sum, hn::Set(d, scale), hn::Set(d, bias)), d, out + i);
  }
  for (; i < count; ++i) out[i] = bias + scale * static_cast<float>(sums[i]);
}

}  // namespace pictrieve::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pictrieve {
namespace {

using HWY_NAMESPACE::kCentroids;

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
HWY_EXPORT(round_table);
HWY_EXPORT(keys_of_sums);

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
  HWY_DYNAMIC_DISPATCH(round_table)(table, packed);
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
      sum += table.entries[static_cast<size_t>(kCentroids * j + (list.blocks[place.of(j)] >> place.shift & 15))];
    out[i] = static_cast<uint16_t>(sum);
  }
}

void packed_keys(const PackedTable& table, std::span<const uint16_t> sums, float* out) {
  HWY_DYNAMIC_DISPATCH(keys_of_sums)(sums.data(), static_cast<int64_t>(sums.size()), table.scale, table.bias, out);
}

}  // namespace pictrieve
#endif
