#include "pictrieve/index/rows/part_products.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "pictrieve/index/rows/part_products.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace pictrieve::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

void part_products(const float* HWY_RESTRICT points, int64_t count, const float* HWY_RESTRICT query, int64_t dim,
                   float* HWY_RESTRICT out) {
  const hn::CappedTag<float, 16> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t p = 0;
  for (; p + 4 * lanes <= count; p += 4 * lanes) {
    auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
    for (int64_t i = 0; i < dim; ++i) {
      const float* values = points + i * count + p;
      const auto q = hn::Set(d, query[i]);
      s0 = hn::MulAdd(q, hn::LoadU(d, values), s0);
      s1 = hn::MulAdd(q, hn::LoadU(d, values + lanes), s1);
      s2 = hn::MulAdd(q, hn::LoadU(d, values + 2 * lanes), s2);
      s3 = hn::MulAdd(q, hn::LoadU(d, values + 3 * lanes), s3);
    }
    hn::StoreU(s0, d, out + p), hn::StoreU(s1, d, out + p + lanes);
    hn::StoreU(s2, d, out + p + 2 * lanes), hn::StoreU(s3, d, out + p + 3 * lanes);
  }
  for (; p + lanes <= count; p += lanes) {
    auto sum = hn::Zero(d);
    for (int64_t i = 0; i < dim; ++i) sum = hn::MulAdd(hn::Set(d, query[i]), hn::LoadU(d, points + i * count + p), sum);
    hn::StoreU(sum, d, out + p);
  }
}

}  // namespace pictrieve::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pictrieve {

HWY_EXPORT(part_products);

void part_products(const float* points, int64_t count, const float* query, int64_t dim, float* out) {
  HWY_DYNAMIC_DISPATCH(part_products)(points, count, query, dim, out);
}

}  // namespace pictrieve
#endif
