#include "pictrieve/index/distance/half_kernels.h"

#include <bit>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "pictrieve/index/distance/half_kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "pictrieve/index/distance/float_terms-inl.h"

HWY_BEFORE_NAMESPACE();
namespace pictrieve::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Widens as many elements as a vector has floats. Multiplying bfloat16 without widening (vdpbf16ps, the query rounded
/// too) is 1.4 times as fast over 1,000 rows of 384 in cache, but no faster over 115,659: they wait for memory, in
/// order and in a graph's. Not worth the lost digits of the query.
struct Widen {
  HWY_INLINE Vec operator()(const Float16* values) const {
    const hn::Rebind<hwy::float16_t, Floats> d16;
    return hn::PromoteTo(Floats(), hn::LoadU(d16, reinterpret_cast<const hwy::float16_t*>(values)));
  }
  HWY_INLINE Vec operator()(const BFloat16* values) const {
    const hn::Rebind<hwy::bfloat16_t, Floats> d16;
    return hn::PromoteTo(Floats(), hn::LoadU(d16, reinterpret_cast<const hwy::bfloat16_t*>(values)));
  }
  template <typename T>
  HWY_INLINE Vec part(const T* values, int64_t count) const {
    HWY_ALIGN T part[hn::MaxLanes(Floats())] = {};
    std::copy_n(values, count, part);
    return (*this)(part);
  }
};

void dots_f16(const float* query, const RowListOf<Float16>& list, float* out) {
  compare<Product, Widen>(query, list, out);
}

void dots_bf16(const float* query, const RowListOf<BFloat16>& list, float* out) {
  compare<Product, Widen>(query, list, out);
}

void distances_f16(const float* query, const RowListOf<Float16>& list, float* out) {
  compare<SquaredDifference, Widen>(query, list, out);
}

void distances_bf16(const float* query, const RowListOf<BFloat16>& list, float* out) {
  compare<SquaredDifference, Widen>(query, list, out);
}

template <typename T>
HWY_INLINE void widen_all(const T* HWY_RESTRICT values, int64_t count, float* HWY_RESTRICT out) {
  const Floats d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(Widen()(values + i), d, out + i);
  if (i == count) return;
  HWY_ALIGN float end[HWY_MAX_BYTES];
  hn::Store(load_end(values + i, count - i, lanes, Widen()), d, end);
  std::copy(end + lanes - (count - i), end + lanes, out + i);
}

void widen_f16(const Float16* values, int64_t count, float* out) { widen_all(values, count, out); }

void widen_bf16(const BFloat16* values, int64_t count, float* out) { widen_all(values, count, out); }

/// Binary16 in integers, so that every machine writes the same bits.
HWY_INLINE uint16_t narrowed(float value, Float16) {
  const uint32_t bits = std::bit_cast<uint32_t>(value), size = bits & 0x7FFFFFFF;
  // Below 2^-14: the last bit of a float near 0.5 is worth 2^-24, as that of a subnormal binary16.
  const uint32_t small = std::bit_cast<uint32_t>(std::bit_cast<float>(size) + 0.5F) - std::bit_cast<uint32_t>(0.5F);
  const uint32_t normal = (size + 0xFFF + (size >> 13 & 1) - (112U << 23)) >> 13;
  const uint32_t narrow = size < 113U << 23 ? small : std::min(normal, 0x7C00U);
  return static_cast<uint16_t>(narrow | (bits >> 16 & 0x8000));
}

HWY_INLINE uint16_t narrowed(float value, BFloat16) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

/// All numbers, and then whether one of them became infinite: rarely, so looking for the first costs nothing.
template <typename T>
HWY_INLINE int64_t narrow_all(const float* HWY_RESTRICT values, int64_t count, T* HWY_RESTRICT out, uint16_t infinity) {
  uint16_t largest = 0;
  for (int64_t i = 0; i < count; ++i) {
    out[i].bits = narrowed(values[i], T());
    largest = std::max<uint16_t>(largest, out[i].bits & 0x7FFF);
  }
  if (largest < infinity) return count;
  return std::find_if(out, out + count, [&](T x) { return (x.bits & 0x7FFF) >= infinity; }) - out;
}

int64_t narrow_f16(const float* values, int64_t count, Float16* out) { return narrow_all(values, count, out, 0x7C00); }

int64_t narrow_bf16(const float* values, int64_t count, BFloat16* out) {
  return narrow_all(values, count, out, 0x7F80);
}

}  // namespace pictrieve::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pictrieve {

HWY_EXPORT(dots_f16);
HWY_EXPORT(dots_bf16);
HWY_EXPORT(distances_f16);
HWY_EXPORT(distances_bf16);
HWY_EXPORT(widen_f16);
HWY_EXPORT(widen_bf16);
HWY_EXPORT(narrow_f16);
HWY_EXPORT(narrow_bf16);

int64_t encode(const float* values, int64_t count, Float16* out) {
  return HWY_DYNAMIC_DISPATCH(narrow_f16)(values, count, out);
}

int64_t encode(const float* values, int64_t count, BFloat16* out) {
  return HWY_DYNAMIC_DISPATCH(narrow_bf16)(values, count, out);
}

void decode(const Float16* values, int64_t count, float* out) { HWY_DYNAMIC_DISPATCH(widen_f16)(values, count, out); }

void decode(const BFloat16* values, int64_t count, float* out) { HWY_DYNAMIC_DISPATCH(widen_bf16)(values, count, out); }

void dots(const float* query, const RowListOf<Float16>& list, float* out) {
  HWY_DYNAMIC_DISPATCH(dots_f16)(query, list, out);
}

void dots(const float* query, const RowListOf<BFloat16>& list, float* out) {
  HWY_DYNAMIC_DISPATCH(dots_bf16)(query, list, out);
}

void squared_distances(const float* query, const RowListOf<Float16>& list, float* out) {
  HWY_DYNAMIC_DISPATCH(distances_f16)(query, list, out);
}

void squared_distances(const float* query, const RowListOf<BFloat16>& list, float* out) {
  HWY_DYNAMIC_DISPATCH(distances_bf16)(query, list, out);
}

}  // namespace pictrieve
#endif
