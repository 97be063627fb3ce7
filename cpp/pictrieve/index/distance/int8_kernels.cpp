#include "pictrieve/index/distance/int8_kernels.h"

#include <atomic>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "pictrieve/index/distance/int8_kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "pictrieve/index/distance/four_rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace pictrieve::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Ints = hn::ScalableTag<int32_t>;
using Bytes = hn::ScalableTag<int8_t>;
using Words = hn::ScalableTag<int16_t>;
using Floats = hn::ScalableTag<float>;
using Sum = hn::Vec<Ints>;

/// Half a vector of codes at a time, widened to 16 bits.
struct WideProduct {
  using Part = hn::Rebind<int8_t, Words>;
  static HWY_INLINE auto load(const int8_t* codes) { return hn::PromoteTo(Words(), hn::LoadU(Part(), codes)); }

  static int64_t step() { return static_cast<int64_t>(hn::Lanes(Part())); }
  static HWY_INLINE auto query(const int8_t* codes) { return load(codes); }
  static HWY_INLINE auto row(const int8_t* codes) { return load(codes); }

  template <class V>
  static HWY_INLINE void add(V query, V row, Sum& sum) {
    Sum odd = hn::Zero(Ints());  // stays zero where one instruction adds neighbours
    sum = hn::Add(hn::ReorderWidenMulAccumulate(Ints(), query, row, sum, odd), odd);
  }

  static HWY_INLINE Sum start(const int8_t*, const int8_t*, int64_t) { return hn::Zero(Ints()); }
};

bool has_vnni() {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
  return __builtin_cpu_supports("avx512vnni");
#elif HWY_TARGET == HWY_AVX2
  return __builtin_cpu_supports("avxvnni");
#else
  return false;
#endif
}

#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_AVX2
/// The instruction multiplies unsigned codes by signed ones: a row's get 128 more (their sign bit turned), and sums
/// start from what that adds, which is the same for all rows. As assembly, because the compiler has the intrinsic only
/// in functions for machines that are sure to have the instruction.
struct VnniProduct {
  using V = hn::Vec<Bytes>;

  static int64_t step() { return static_cast<int64_t>(hn::Lanes(Bytes())); }
  static HWY_INLINE V query(const int8_t* codes) { return hn::LoadU(Bytes(), codes); }
  static HWY_INLINE V row(const int8_t* codes) { return hn::Xor(hn::LoadU(Bytes(), codes), hn::Set(Bytes(), -128)); }

  static HWY_INLINE void add(V query, V row, Sum& sum) {
#if HWY_TARGET == HWY_AVX2
    asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum.raw) : "x"(row.raw), "x"(query.raw));
#else
    asm("vpdpbusd %2, %1, %0" : "+v"(sum.raw) : "v"(row.raw), "v"(query.raw));
#endif
  }

  static HWY_INLINE Sum start(const int8_t* codes, const int8_t* end, int64_t dim) {
    const V more = hn::Set(Bytes(), -128);
    Sum added = hn::Zero(Ints());
    int64_t i = 0;
    for (; i + step() <= dim; i += step()) add(query(codes + i), more, added);
    if (i < dim) add(query(end), more, added);
    return hn::Neg(added);
  }
};
#else
using VnniProduct = WideProduct;
#endif

/// `end`: the codes of the query after the last whole step, behind zeros.
template <class Product>
HWY_INLINE void multiply_four(const int8_t* HWY_RESTRICT query, const int8_t* HWY_RESTRICT end, int64_t dim, Sum start,
                              const int8_t* const* rows, const int8_t* const* next, int32_t* HWY_RESTRICT out) {
  const Ints d;
  const int64_t step = Product::step();
  Sum s0 = start, s1 = start, s2 = start, s3 = start;
  int64_t i = 0;
  for (; i + step <= dim; i += step) {
    if (i % kLineBytes == 0) prefetch_four(next, i, i + kLineBytes);
    const auto q = Product::query(query + i);
    Product::add(q, Product::row(rows[0] + i), s0);
    Product::add(q, Product::row(rows[1] + i), s1);
    Product::add(q, Product::row(rows[2] + i), s2);
    Product::add(q, Product::row(rows[3] + i), s3);
  }
  if (i < dim) {
    const auto load = [](const int8_t* codes) HWY_ATTR { return Product::row(codes); };
    const auto q = Product::query(end);
    Product::add(q, load_end(rows[0], dim, step, load), s0);
    Product::add(q, load_end(rows[1], dim, step, load), s1);
    Product::add(q, load_end(rows[2], dim, step, load), s2);
    Product::add(q, load_end(rows[3], dim, step, load), s3);
  }
  out[0] = hn::GetLane(hn::SumOfLanes(d, s0));
  out[1] = hn::GetLane(hn::SumOfLanes(d, s1));
  out[2] = hn::GetLane(hn::SumOfLanes(d, s2));
  out[3] = hn::GetLane(hn::SumOfLanes(d, s3));
}

template <class Product>
HWY_INLINE void multiply(const int8_t* query, const RowListOf<int8_t>& list, int32_t* out) {
  const int64_t step = Product::step(), rest = list.dim % step;
  HWY_ALIGN int8_t end[HWY_MAX_BYTES] = {};
  std::copy_n(query + list.dim - rest, rest, end + step - rest);
  const Sum start = Product::start(query, end, list.dim);
  const auto compare = [&](const int8_t* const* rows, const int8_t* const* next, int32_t* four)
                           HWY_ATTR { multiply_four<Product>(query, end, list.dim, start, rows, next, four); };
  for_each_four(list, out, compare);
}

void dots_int8(const int8_t* query, const RowListOf<int8_t>& list, int32_t* out, bool vnni) {
  if (vnni && has_vnni())
    multiply<VnniProduct>(query, list, out);
  else
    multiply<WideProduct>(query, list, out);
}

/// Calls f(vector of floats, place, count) along a row; the last vector ends in zeros.
template <class F>
HWY_INLINE void for_each_vector(const float* values, int64_t dim, const F& f) {
  const Floats d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= dim; i += lanes) f(hn::LoadU(d, values + i), i, lanes);
  if (i == dim) return;
  HWY_ALIGN float end[HWY_MAX_BYTES / sizeof(float)] = {};
  std::copy(values + i, values + dim, end);
  f(hn::Load(d, end), i, dim - i);
}

float narrow_row(const float* values, int64_t dim, int8_t* out) {
  const Floats d;
  const hn::Rebind<int8_t, Floats> d8;
  auto largest = hn::Zero(d);
  for_each_vector(values, dim, [&](auto v, int64_t, int64_t) HWY_ATTR { largest = hn::Max(largest, hn::Abs(v)); });
  const float size = hn::GetLane(hn::MaxOfLanes(d, largest));
  // Not subnormal: so coarsely rounded a scale would send codes past 127.
  const float scale = size == 0 ? 0 : std::max(size / 127, std::numeric_limits<float>::min());
  const auto divisor = hn::Set(d, size == 0 ? 1 : scale);
  for_each_vector(values, dim, [&](auto v, int64_t i, int64_t count) HWY_ATTR {
    HWY_ALIGN int8_t codes[HWY_MAX_BYTES];
    hn::StoreU(hn::DemoteTo(d8, hn::NearestInt(hn::Div(v, divisor))), d8, codes);
    std::copy_n(codes, count, out + i);
  });
  return scale;
}

void widen_row(const int8_t* HWY_RESTRICT codes, int64_t dim, float scale, float* HWY_RESTRICT out) {
  for (int64_t i = 0; i < dim; ++i) out[i] = scale * static_cast<float>(codes[i]);
}

}  // namespace pictrieve::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pictrieve {
namespace {

std::atomic<bool> vnni_wanted{true};

}  // namespace

HWY_EXPORT(has_vnni);
HWY_EXPORT(dots_int8);
HWY_EXPORT(narrow_row);
HWY_EXPORT(widen_row);

float encode_row(const float* values, int64_t dim, int8_t* out) {
  return HWY_DYNAMIC_DISPATCH(narrow_row)(values, dim, out);
}

void decode_row(const int8_t* codes, int64_t dim, float scale, float* out) {
  HWY_DYNAMIC_DISPATCH(widen_row)(codes, dim, scale, out);
}

void dots(const int8_t* query, const RowListOf<int8_t>& list, int32_t* out) {
  HWY_DYNAMIC_DISPATCH(dots_int8)(query, list, out, vnni_wanted.load(std::memory_order_relaxed));
}

bool use_vnni(bool wanted) {
  vnni_wanted = wanted;
  return wanted && HWY_DYNAMIC_DISPATCH(has_vnni)();
}

}  // namespace pictrieve
#endif
