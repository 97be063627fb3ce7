#include "pictrieve/index/kernels.h"

#include <hwy/cache_control.h>

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "pictrieve/index/kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace pictrieve::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;
using Vec = hn::Vec<Floats>;

constexpr int64_t kGroup = 4;  // rows at a time: each load of the query serves four
constexpr int64_t kFloatsPerLine = 16;

struct Product {
  HWY_INLINE Vec operator()(Vec a, Vec b, Vec sum) const { return hn::MulAdd(a, b, sum); }
};

struct SquaredDifference {
  HWY_INLINE Vec operator()(Vec a, Vec b, Vec sum) const {
    const Vec difference = hn::Sub(a, b);
    return hn::MulAdd(difference, difference, sum);
  }
};

HWY_INLINE const float* row_at(const RowList& list, int64_t i) {
  const int64_t last = std::min(i, list.count - 1);  // a short group repeats its last row
  return list.base + (list.rows ? int64_t{list.rows[last]} : list.first + last) * list.dim;
}

/// Compares the query with four rows, and asks for the four after them line by line as it goes.
template <typename Term>
HWY_INLINE void compare_group(const float* HWY_RESTRICT query, int64_t dim, const float* const* rows,
                              const float* const* next, float* HWY_RESTRICT out) {
  const Floats d;
  const Term term;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  Vec a0 = hn::Zero(d), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
  int64_t i = 0;
  for (; i + 2 * lanes <= dim; i += 2 * lanes) {
    for (int64_t line = i; line < i + 2 * lanes; line += kFloatsPerLine)
      for (int64_t r = 0; r < kGroup; ++r) hwy::Prefetch(next[r] + line);
    const Vec q0 = hn::LoadU(d, query + i);
    const Vec q1 = hn::LoadU(d, query + i + lanes);
    a0 = term(q0, hn::LoadU(d, rows[0] + i), a0);
    a1 = term(q0, hn::LoadU(d, rows[1] + i), a1);
    a2 = term(q0, hn::LoadU(d, rows[2] + i), a2);
    a3 = term(q0, hn::LoadU(d, rows[3] + i), a3);
    b0 = term(q1, hn::LoadU(d, rows[0] + i + lanes), b0);
    b1 = term(q1, hn::LoadU(d, rows[1] + i + lanes), b1);
    b2 = term(q1, hn::LoadU(d, rows[2] + i + lanes), b2);
    b3 = term(q1, hn::LoadU(d, rows[3] + i + lanes), b3);
  }
  for (; i < dim; i += lanes) {
    const auto mask = hn::FirstN(d, static_cast<size_t>(std::min(lanes, dim - i)));
    const Vec q = hn::MaskedLoad(mask, d, query + i);
    a0 = term(q, hn::MaskedLoad(mask, d, rows[0] + i), a0);
    a1 = term(q, hn::MaskedLoad(mask, d, rows[1] + i), a1);
    a2 = term(q, hn::MaskedLoad(mask, d, rows[2] + i), a2);
    a3 = term(q, hn::MaskedLoad(mask, d, rows[3] + i), a3);
  }
  out[0] = hn::GetLane(hn::SumOfLanes(d, hn::Add(a0, b0)));
  out[1] = hn::GetLane(hn::SumOfLanes(d, hn::Add(a1, b1)));
  out[2] = hn::GetLane(hn::SumOfLanes(d, hn::Add(a2, b2)));
  out[3] = hn::GetLane(hn::SumOfLanes(d, hn::Add(a3, b3)));
}

template <typename Term>
HWY_INLINE void compare(const float* query, const RowList& list, float* HWY_RESTRICT out) {
  const float* rows[2][kGroup];
  for (int64_t r = 0; r < kGroup && list.count > 0; ++r) rows[0][r] = row_at(list, r);
  int current = 0;
  for (int64_t i = 0; i < list.count; i += kGroup, current ^= 1) {
    for (int64_t r = 0; r < kGroup; ++r) rows[current ^ 1][r] = row_at(list, i + kGroup + r);
    float group[kGroup];
    compare_group<Term>(query, list.dim, rows[current], rows[current ^ 1], group);
    for (int64_t r = 0; r < std::min(kGroup, list.count - i); ++r) out[i + r] = group[r];
  }
}

void dots(const float* query, const RowList& list, float* out) { compare<Product>(query, list, out); }

void squared_distances(const float* query, const RowList& list, float* out) {
  compare<SquaredDifference>(query, list, out);
}

void scale_keys(float* HWY_RESTRICT keys, int64_t count, const float* HWY_RESTRICT factors, float factor) {
  const Floats d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const Vec common = hn::Set(d, factor);
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    hn::StoreU(hn::Mul(hn::LoadU(d, keys + i), hn::Mul(hn::LoadU(d, factors + i), common)), d, keys + i);
  for (; i < count; ++i) keys[i] *= factors[i] * factor;
}

void distance_keys(float* HWY_RESTRICT keys, int64_t count, const float* HWY_RESTRICT squared, float query_squared) {
  const Floats d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const Vec common = hn::Set(d, query_squared);
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const Vec product = hn::LoadU(d, keys + i);
    const Vec lengths = hn::Add(hn::LoadU(d, squared + i), common);
    hn::StoreU(hn::Sub(hn::Add(product, product), lengths), d, keys + i);
  }
  for (; i < count; ++i) keys[i] = 2 * keys[i] - (squared[i] + query_squared);
}

int64_t positions_at_least(const float* HWY_RESTRICT keys, int64_t count, float floor,
                           int32_t* HWY_RESTRICT positions) {
  const Floats d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const Vec floors = hn::Set(d, floor);
  int64_t kept = 0;
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    if (hn::AllFalse(d, hn::Ge(hn::LoadU(d, keys + i), floors))) continue;
    for (int64_t j = i; j < i + lanes; ++j)
      if (keys[j] >= floor) positions[kept++] = static_cast<int32_t>(j);
  }
  for (; i < count; ++i)
    if (keys[i] >= floor) positions[kept++] = static_cast<int32_t>(i);
  return kept;
}

}  // namespace pictrieve::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pictrieve {

HWY_EXPORT(dots);
HWY_EXPORT(squared_distances);
HWY_EXPORT(scale_keys);
HWY_EXPORT(distance_keys);
HWY_EXPORT(positions_at_least);

void dots(const float* query, const RowList& list, float* out) { HWY_DYNAMIC_DISPATCH(dots)(query, list, out); }

void squared_distances(const float* query, const RowList& list, float* out) {
  HWY_DYNAMIC_DISPATCH(squared_distances)(query, list, out);
}

void scale_keys(float* keys, int64_t count, const float* factors, float factor) {
  HWY_DYNAMIC_DISPATCH(scale_keys)(keys, count, factors, factor);
}

void distance_keys(float* keys, int64_t count, const float* squared, float query_squared) {
  HWY_DYNAMIC_DISPATCH(distance_keys)(keys, count, squared, query_squared);
}

int64_t positions_at_least(const float* keys, int64_t count, float floor, int32_t* positions) {
  return HWY_DYNAMIC_DISPATCH(positions_at_least)(keys, count, floor, positions);
}

}  // namespace pictrieve
#endif
