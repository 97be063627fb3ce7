#include "pictrieve/image/resample_passes.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "pictrieve/image/split_weights.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "pictrieve/image/resample_passes.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace pictrieve::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr int kRowsAtOnce = 4;  // rows that share each load of weights
constexpr int kLoadSlack = 32;  // bytes that a vector load may run past the last tap

/// What one output row of the vertical pass is made of.
struct Column {
  const uint8_t* top;  ///< first row that counts
  int64_t stride;
  int count;
  const int32_t* weights;
};

uint8_t column_scalar(const Column& column, int64_t x) {
  uint32_t sum = 1U << (kWeightBits - 1);
  for (int k = 0; k < column.count; ++k)
    sum += static_cast<uint32_t>(column.weights[k]) * column.top[k * column.stride + x];
  return static_cast<uint8_t>(std::clamp(static_cast<int32_t>(sum) >> kWeightBits, 0, 255));
}

#if HWY_TARGET == HWY_SCALAR

void row_scalar(const uint8_t* from, int channels, const AxisWeights& axis, uint8_t* to) {
  for (int i = 0; i < axis.size(); ++i) {
    const int32_t* weights = axis.weights.data() + static_cast<size_t>(i) * axis.stride;
    const uint8_t* pixel = from + int64_t{axis.begin[i]} * channels;
    for (int c = 0; c < channels; ++c) *to++ = column_scalar(Column{pixel, channels, axis.count[i], weights}, c);
  }
}

void colour_rows(const std::array<const uint8_t*, kRowsAtOnce>& from, int channels, const AxisWeights& axis,
                 const SplitWeights&, const std::array<uint8_t*, kRowsAtOnce>& to) {
  for (int r = 0; r < kRowsAtOnce; ++r) row_scalar(from[r], channels, axis, to[r]);
}

void grey_row(const uint8_t* from, const AxisWeights& axis, const SplitWeights&, uint8_t* to) {
  row_scalar(from, 1, axis, to);
}

void column_row(const Column& column, int64_t bytes, uint8_t* to) {
  for (int64_t x = 0; x < bytes; ++x) to[x] = column_scalar(column, x);
}

#else

/// sums + a[2i] * b[2i] + a[2i + 1] * b[2i + 1]
template <class D32, class V16, class V32>
HWY_INLINE V32 add_pair_products(D32 d32, V16 a, V16 b, V32 sums) {
#if HWY_ARCH_X86 && HWY_TARGET != HWY_EMU128
  auto unused = hn::Zero(d32);
  return hn::ReorderWidenMulAccumulate(d32, a, b, sums, unused);  // pmaddwd: pairs stay in order
#else
  const auto a32 = hn::BitCast(d32, a), b32 = hn::BitCast(d32, b);
  const auto even = hn::Mul(hn::ShiftRight<16>(hn::ShiftLeft<16>(a32)), hn::ShiftRight<16>(hn::ShiftLeft<16>(b32)));
  return hn::Add(sums, hn::Add(even, hn::Mul(hn::ShiftRight<16>(a32), hn::ShiftRight<16>(b32))));
#endif
}

template <class D32, class V32>
HWY_INLINE V32 rounded(D32 d32, V32 high, V32 low) {
  const auto half = hn::Set(d32, 1 << (kWeightBits - 1));
  return hn::ShiftRight<kWeightBits>(hn::Add(hn::Add(hn::ShiftLeft<kLowBits>(high), low), half));
}

uint8_t rounded_scalar(int32_t high, int32_t low) {
  const uint32_t sum =
      (static_cast<uint32_t>(high) << kLowBits) + static_cast<uint32_t>(low) + (1U << (kWeightBits - 1));
  return static_cast<uint8_t>(std::clamp(static_cast<int32_t>(sum) >> kWeightBits, 0, 255));
}

/// Adds up the blocks of both sums and stores the pixel, with a fourth byte that the next pixel overwrites.
template <class D32, class V32>
HWY_INLINE void store_pixel(D32 d32, V32 high, V32 low, uint8_t* to) {
  const hn::Full128<int32_t> block32;
  const hn::Rebind<int16_t, decltype(block32)> block16;
  const hn::Rebind<uint8_t, decltype(block32)> block8;
  alignas(32) int32_t blocks[8];
  hn::Store(hn::Add(hn::ShiftLeft<kLowBits>(high), low), d32, blocks);
  auto sum = hn::Add(hn::Load(block32, blocks), hn::Set(block32, 1 << (kWeightBits - 1)));
  if (hn::Lanes(d32) == 8) sum = hn::Add(sum, hn::Load(block32, blocks + 4));
  const auto narrow = hn::DemoteTo(block16, hn::ShiftRight<kWeightBits>(sum));
  hn::StoreU(hn::DemoteTo(block8, narrow), block8, to);
}

/// kRowsAtOnce rows of 3 or 4 channels.
void colour_rows(const std::array<const uint8_t*, kRowsAtOnce>& from, int channels, const AxisWeights& axis,
                 const SplitWeights& split, const std::array<uint8_t*, kRowsAtOnce>& to) {
  const hn::CappedTag<uint8_t, 32> d8;
  const hn::Repartition<int16_t, decltype(d8)> d16;
  const hn::Repartition<int32_t, decltype(d8)> d32;
  const int lanes = static_cast<int>(hn::Lanes(d16));
  alignas(32) const std::array<uint8_t, 32> bytes = pair_shuffle(channels);
  const auto shuffle = hn::Load(d8, bytes.data());
  for (int i = 0; i < axis.size(); ++i) {
    auto high0 = hn::Zero(d32), high1 = high0, high2 = high0, high3 = high0;
    auto low0 = high0, low1 = high0, low2 = high0, low3 = high0;
    const int16_t* high = split.high.data() + static_cast<size_t>(i) * split.stride;
    const int16_t* low = split.low.data() + static_cast<size_t>(i) * split.stride;
    int64_t offset = int64_t{axis.begin[i]} * channels;
    const int64_t step = int64_t{lanes} / 4 * channels;
    for (int k = 0; k < split.groups[i] * 16; k += lanes, offset += step) {
      const auto weight_high = hn::LoadU(d16, high + k), weight_low = hn::LoadU(d16, low + k);
      const auto accumulate = [&](const uint8_t* row, auto& sum_high, auto& sum_low) HWY_ATTR {
        const auto pixels = hn::BitCast(d16, hn::TableLookupBytesOr0(hn::LoadDup128(d8, row + offset), shuffle));
        sum_high = add_pair_products(d32, pixels, weight_high, sum_high);
        sum_low = add_pair_products(d32, pixels, weight_low, sum_low);
      };
      accumulate(from[0], high0, low0);
      accumulate(from[1], high1, low1);
      accumulate(from[2], high2, low2);
      accumulate(from[3], high3, low3);
    }
    store_pixel(d32, high0, low0, to[0] + int64_t{i} * channels);
    store_pixel(d32, high1, low1, to[1] + int64_t{i} * channels);
    store_pixel(d32, high2, low2, to[2] + int64_t{i} * channels);
    store_pixel(d32, high3, low3, to[3] + int64_t{i} * channels);
  }
}

void grey_row(const uint8_t* from, const AxisWeights& axis, const SplitWeights& split, uint8_t* to) {
  const hn::CappedTag<int16_t, 16> d16;
  const hn::Repartition<int32_t, decltype(d16)> d32;
  const hn::Rebind<uint8_t, decltype(d16)> d8;
  const int lanes = static_cast<int>(hn::Lanes(d16));
  for (int i = 0; i < axis.size(); ++i) {
    auto sum_high = hn::Zero(d32), sum_low = sum_high;
    const size_t place = static_cast<size_t>(i) * split.stride;
    const uint8_t* pixels = from + axis.begin[i];
    for (int k = 0; k < split.groups[i] * 16; k += lanes) {
      const auto values = hn::PromoteTo(d16, hn::LoadU(d8, pixels + k));
      sum_high = add_pair_products(d32, values, hn::LoadU(d16, split.high.data() + place + k), sum_high);
      sum_low = add_pair_products(d32, values, hn::LoadU(d16, split.low.data() + place + k), sum_low);
    }
    to[i] = rounded_scalar(hn::GetLane(hn::SumOfLanes(d32, sum_high)), hn::GetLane(hn::SumOfLanes(d32, sum_low)));
  }
}

template <class D16>
void column_chunk(D16 d16, const Column& column, int64_t x, uint8_t* to) {
  const hn::RepartitionToWide<D16> d32;
  const hn::Rebind<uint8_t, D16> d8;
  auto high_a = hn::Zero(d32), high_b = high_a, low_a = high_a, low_b = high_a;
  for (int k = 0; k < column.count; k += 2) {
    const bool paired = k + 1 < column.count;
    const uint8_t* row = column.top + k * column.stride + x;
    const int32_t first = column.weights[k], second = paired ? column.weights[k + 1] : 0;
    const auto upper = hn::PromoteTo(d16, hn::LoadU(d8, row));
    const auto lower = hn::PromoteTo(d16, hn::LoadU(d8, paired ? row + column.stride : row));
    const auto pair = [&](int16_t a, int16_t b) HWY_ATTR {
      const uint32_t bits = static_cast<uint16_t>(a) | static_cast<uint32_t>(static_cast<uint16_t>(b)) << 16;
      return hn::BitCast(d16, hn::Set(d32, static_cast<int32_t>(bits)));
    };
    const auto weight_high = pair(high_part(first), high_part(second));
    const auto weight_low = pair(low_part(first), low_part(second));
    const auto pixels_a = hn::InterleaveLower(d16, upper, lower), pixels_b = hn::InterleaveUpper(d16, upper, lower);
    high_a = add_pair_products(d32, pixels_a, weight_high, high_a);
    low_a = add_pair_products(d32, pixels_a, weight_low, low_a);
    high_b = add_pair_products(d32, pixels_b, weight_high, high_b);
    low_b = add_pair_products(d32, pixels_b, weight_low, low_b);
  }
  // Interleaving and narrowing both work within 128-bit blocks, so the bytes come out in order.
  const auto narrow = hn::ReorderDemote2To(d16, rounded(d32, high_a, low_a), rounded(d32, high_b, low_b));
  hn::StoreU(hn::DemoteTo(d8, narrow), d8, to + x);
}

void column_row(const Column& column, int64_t bytes, uint8_t* to) {
  const hn::CappedTag<int16_t, 32> d16;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d16));
  int64_t x = 0;
  for (; x + lanes <= bytes; x += lanes) column_chunk(d16, column, x, to);
  if (x == bytes) return;
  if (bytes >= lanes) return column_chunk(d16, column, bytes - lanes, to);
  for (; x < bytes; ++x) to[x] = column_scalar(column, x);
}

#endif  // HWY_TARGET == HWY_SCALAR

void resample_rows(ImageView source, const AxisWeights& axis, const PaddedRows& out) {
  const SplitWeights split = split_weights(axis, source.channels);
  int64_t extent = 0;  // bytes of a row that the kernels may touch
  for (int i = 0; i < axis.size(); ++i)
    extent = std::max(extent, (int64_t{axis.begin[i]} + split.groups[i] * split.taps_per_group) * source.channels);
  extent += kLoadSlack;
  const int64_t row_bytes = int64_t{source.width} * source.channels;
  const int64_t source_bytes = (source.height - 1) * source.row_stride + row_bytes;
  const PaddedRows copies(kRowsAtOnce, std::max(extent, row_bytes));
  for (int top = 0; top < source.height; top += kRowsAtOnce) {
    std::array<const uint8_t*, kRowsAtOnce> from{};
    std::array<uint8_t*, kRowsAtOnce> to{};
    for (int r = 0; r < kRowsAtOnce; ++r) {
      const int y = std::min(top + r, source.height - 1);
      from[r] = source.row(y);
      to[r] = out.row(y);
      if (y * source.row_stride + extent > source_bytes) {  // near the end of the picture: read from a padded copy
        std::memset(copies.row(r), 0, static_cast<size_t>(copies.stride));
        std::memcpy(copies.row(r), from[r], static_cast<size_t>(row_bytes));
        from[r] = copies.row(r);
      }
    }
    if (source.channels > 1) colour_rows(from, source.channels, axis, split, to);
    for (int r = 0; source.channels == 1 && r < kRowsAtOnce; ++r) grey_row(from[r], axis, split, to[r]);
  }
}

void resample_columns(ImageView source, int first_row, const AxisWeights& axis, const Image& out) {
  for (int i = 0; i < axis.size(); ++i) {
    const Column column{source.row(axis.begin[i] - first_row), source.row_stride, axis.count[i],
                        axis.weights.data() + static_cast<size_t>(i) * axis.stride};
    column_row(column, out.row_stride(), out.row(i));
  }
}

}  // namespace pictrieve::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pictrieve {

HWY_EXPORT(resample_rows);
HWY_EXPORT(resample_columns);

void resample_rows(ImageView source, const AxisWeights& axis, const PaddedRows& out) {
  HWY_DYNAMIC_DISPATCH(resample_rows)(source, axis, out);
}

void resample_columns(ImageView source, int first_row, const AxisWeights& axis, const Image& out) {
  HWY_DYNAMIC_DISPATCH(resample_columns)(source, first_row, axis, out);
}

}  // namespace pictrieve
#endif
