#include "pictrieve/index/distance/rough_products.h"

#include <algorithm>
#include <atomic>

#include "pictrieve/index/distance/tile_products.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "pictrieve/index/distance/rough_products.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace pictrieve::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_AVX2
using Ints = hn::CappedTag<int32_t, kGroup>;
using Sum = hn::Vec<Ints>;

/// One instruction adds four products of bytes. As assembly, because the compiler has the intrinsic only in functions
/// for machines that are sure to have the instruction.
struct ByteProducts {
  static HWY_INLINE Sum add(Sum row, Sum queries, Sum sum) {
#if HWY_TARGET == HWY_AVX2
    asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum.raw) : "x"(row.raw), "x"(queries.raw));
#else
    asm("vpdpbusd %2, %1, %0" : "+v"(sum.raw) : "v"(row.raw), "v"(queries.raw));
#endif
    return sum;
  }
};

/// Pairs of products as 16-bit words, which hold 2 * 255 * 63, then pairs of words.
struct WordProducts {
  static HWY_INLINE Sum add(Sum row, Sum queries, Sum sum) {
#if HWY_TARGET == HWY_AVX2
    const auto words = _mm256_maddubs_epi16(row.raw, queries.raw);
    return hn::Add(sum, Sum{_mm256_madd_epi16(words, _mm256_set1_epi16(1))});
#else
    const auto words = _mm512_maddubs_epi16(row.raw, queries.raw);
    return hn::Add(sum, Sum{_mm512_madd_epi16(words, _mm512_set1_epi16(1))});
#endif
  }
};

/// kRows rows with kVectors vectors of queries, which lie in one group or, with 16 lanes, in one group each.
template <class Products, int kRows, int kVectors>
HWY_INLINE void multiply(const RoughTile& tile, int64_t row, int64_t query, int32_t* HWY_RESTRICT out) {
  const Ints d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const uint8_t* HWY_RESTRICT codes = tile.rows + row * tile.width;
  const int8_t* queries[kVectors];
  Sum sums[kRows][kVectors];
  for (int v = 0; v < kVectors; ++v) {
    const int64_t first = query + v * lanes;
    queries[v] = tile.queries + first / kGroup * kGroup * tile.width + first % kGroup * 4;
    for (int r = 0; r < kRows; ++r) sums[r][v] = hn::LoadU(d, tile.start + first);
  }
  for (int64_t i = 0; i < tile.width; i += 4) {
    Sum of_queries[kVectors];
    for (int v = 0; v < kVectors; ++v)
      of_queries[v] = hn::LoadU(d, reinterpret_cast<const int32_t*>(queries[v] + i * kGroup));
    for (int r = 0; r < kRows; ++r) {
      int32_t four;
      hwy::CopyBytes<4>(codes + r * tile.width + i, &four);
      const Sum of_row = hn::Set(d, four);
      for (int v = 0; v < kVectors; ++v) sums[r][v] = Products::add(of_row, of_queries[v], sums[r][v]);
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) hn::StoreU(sums[r][v], d, out + (row + r) * kTileQueries + query + v * lanes);
}

/// Four vectors of queries where registers are many, else two.
template <class Products>
HWY_INLINE void multiply_all(const RoughTile& tile, int32_t* out) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(Ints())), end = tile.groups * kGroup;
  constexpr int kMost = HWY_TARGET == HWY_AVX2 ? 2 : 4;
  int64_t query = 0;
  for (; query + kMost * lanes <= end; query += kMost * lanes)
    for (int64_t row = 0; row < tile.count; row += 4) multiply<Products, 4, kMost>(tile, row, query, out);
  for (; query < end; query += lanes)
    for (int64_t row = 0; row < tile.count; row += 4) multiply<Products, 4, 1>(tile, row, query, out);
}

void byte_products(const RoughTile& tile, int32_t* out) { multiply_all<ByteProducts>(tile, out); }
void word_products(const RoughTile& tile, int32_t* out) { multiply_all<WordProducts>(tile, out); }

RoughKind fastest_kind() {
#if HWY_TARGET == HWY_AVX2
  return __builtin_cpu_supports("avxvnni") ? RoughKind::Bytes : RoughKind::Words;
#else
  if (!__builtin_cpu_supports("avx512vnni")) return RoughKind::Words;
  return has_tile_products() ? RoughKind::Tiles : RoughKind::Bytes;
#endif
}
#else
void byte_products(const RoughTile&, int32_t*) {}
void word_products(const RoughTile&, int32_t*) {}
RoughKind fastest_kind() { return RoughKind::None; }
#endif

int64_t hits_of_tile(const int32_t* HWY_RESTRICT products, const RoughRow* HWY_RESTRICT rows, int64_t count,
                     const RoughLanes& queries, int64_t query_count, RoughHit* HWY_RESTRICT out) {
  const hn::CappedTag<float, kGroup> d;
  const hn::RebindToSigned<decltype(d)> di;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  HWY_ALIGN float bounds[kGroup];
  int64_t found = 0;
  for (int64_t q = 0; q < query_count; q += lanes) {
    const auto along = hn::LoadU(d, queries.along + q), one = hn::LoadU(d, queries.one + q);
    const auto error = hn::LoadU(d, queries.error + q), length = hn::LoadU(d, queries.length + q);
    const auto floor = hn::LoadU(d, queries.floor + q);
    for (int64_t r = 0; r < count; ++r) {
      const RoughRow& row = rows[r];
      const auto product = hn::ConvertTo(d, hn::LoadU(di, products + r * kTileQueries + q));
      const auto exact = hn::MulAdd(hn::Set(d, row.base), one, hn::Mul(hn::Set(d, row.along), along));
      const auto more = hn::MulAdd(hn::Set(d, row.error), length, hn::Mul(hn::Set(d, row.length), error));
      const auto bound = hn::MulAdd(hn::Set(d, row.scale), product, hn::Add(exact, more));
      if (hn::AllFalse(d, hn::Ge(bound, floor))) continue;
      hn::Store(bound, d, bounds);
      for (int64_t i = 0; i < lanes; ++i)
        if (bounds[i] >= queries.floor[q + i])
          out[found++] = {bounds[i], static_cast<int32_t>(r), static_cast<int32_t>(q + i)};
    }
  }
  return found;
}

}  // namespace pictrieve::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pictrieve {
namespace {

std::atomic<RoughKind> fastest_allowed{RoughKind::Tiles};

}  // namespace

HWY_EXPORT(byte_products);
HWY_EXPORT(word_products);
HWY_EXPORT(fastest_kind);
HWY_EXPORT(hits_of_tile);

RoughKind limit_rough_kind(RoughKind fastest) {
  fastest_allowed = fastest;
  return std::min(fastest, HWY_DYNAMIC_DISPATCH(fastest_kind)());
}

const RoughKernel* rough_kernel() {
  static const RoughKernel words{63,
                                 [](const RoughTile& t, int32_t* out) { HWY_DYNAMIC_DISPATCH(word_products)(t, out); }};
  static const RoughKernel bytes{127,
                                 [](const RoughTile& t, int32_t* out) { HWY_DYNAMIC_DISPATCH(byte_products)(t, out); }};
  static const RoughKernel tiles{127, tile_products};
  switch (std::min(fastest_allowed.load(), HWY_DYNAMIC_DISPATCH(fastest_kind)())) {
    case RoughKind::Tiles:
      return &tiles;
    case RoughKind::Bytes:
      return &bytes;
    case RoughKind::Words:
      return &words;
    default:
      return nullptr;
  }
}

int64_t rough_width(int64_t dim) {
  const int64_t steps = (dim + 63) / 64, step = (dim + steps - 1) / steps;  // equal steps of the matrix instructions
  return steps * ((step + 3) / 4 * 4);
}

int64_t rough_hits(const int32_t* products, const RoughRow* rows, int64_t count, const RoughLanes& lanes,
                   int64_t queries, RoughHit* out) {
  return HWY_DYNAMIC_DISPATCH(hits_of_tile)(products, rows, count, lanes, queries, out);
}

}  // namespace pictrieve
#endif
