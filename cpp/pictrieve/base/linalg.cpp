#include "pictrieve/base/linalg.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "pictrieve/base/linalg.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace pictrieve::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

float dot(const float* HWY_RESTRICT a, const float* HWY_RESTRICT b, int64_t dim) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  // Four sums in flight hide the latency of fused multiply-add.
  auto s0 = hn::Zero(d), s1 = hn::Zero(d), s2 = hn::Zero(d), s3 = hn::Zero(d);
  int64_t i = 0;
  for (; i + 4 * lanes <= dim; i += 4 * lanes) {
    s0 = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), s0);
    s1 = hn::MulAdd(hn::LoadU(d, a + i + lanes), hn::LoadU(d, b + i + lanes), s1);
    s2 = hn::MulAdd(hn::LoadU(d, a + i + 2 * lanes), hn::LoadU(d, b + i + 2 * lanes), s2);
    s3 = hn::MulAdd(hn::LoadU(d, a + i + 3 * lanes), hn::LoadU(d, b + i + 3 * lanes), s3);
  }
  for (; i + lanes <= dim; i += lanes) s0 = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), s0);
  float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3))));
  for (; i < dim; ++i) sum += a[i] * b[i];
  return sum;
}

void scale(float* HWY_RESTRICT values, int64_t count, float factor) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto factors = hn::Set(d, factor);
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(hn::Mul(hn::LoadU(d, values + i), factors), d, values + i);
  for (; i < count; ++i) values[i] *= factor;
}

bool all_finite(const float* HWY_RESTRICT values, int64_t count) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  auto zeros = hn::Zero(d);  // x * 0 is 0 for finite x and NaN otherwise
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) zeros = hn::MulAdd(hn::LoadU(d, values + i), hn::Zero(d), zeros);
  float tail = hn::GetLane(hn::SumOfLanes(d, zeros));
  for (; i < count; ++i) tail += values[i] * 0.0F;
  return tail == 0.0F;
}

const char* target_name() { return hwy::TargetName(HWY_TARGET); }

}  // namespace pictrieve::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pictrieve {

HWY_EXPORT(dot);
HWY_EXPORT(scale);
HWY_EXPORT(all_finite);
HWY_EXPORT(target_name);

float dot(const float* a, const float* b, int64_t dim) { return HWY_DYNAMIC_DISPATCH(dot)(a, b, dim); }

void l2_normalize_rows(MatrixView<float> rows) {
  for (int64_t i = 0; i < rows.rows; ++i) {
    const float length = std::sqrt(dot(rows.row(i), rows.row(i), rows.cols));
    if (length > 0) HWY_DYNAMIC_DISPATCH(scale)(rows.row(i), rows.cols, 1.0F / length);
  }
}

bool all_finite(const float* values, int64_t count) { return HWY_DYNAMIC_DISPATCH(all_finite)(values, count); }

std::string simd_target() { return HWY_DYNAMIC_DISPATCH(target_name)(); }

}  // namespace pictrieve
#endif
