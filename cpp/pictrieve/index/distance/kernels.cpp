#include "pictrieve/index/distance/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "pictrieve/index/distance/kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "pictrieve/index/distance/float_terms-inl.h"

HWY_BEFORE_NAMESPACE();
namespace pictrieve::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

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
