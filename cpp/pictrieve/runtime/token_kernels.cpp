#include "pictrieve/runtime/token_kernels.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "pictrieve/runtime/token_kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "pictrieve/runtime/activation-inl.h"

HWY_BEFORE_NAMESPACE();
namespace pictrieve::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Calls function(tag, offset) for whole vectors, then for the numbers that are left, one by one.
template <class F>
HWY_INLINE void for_lanes(int64_t count, const F& function) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) function(d, i);
  const hn::CappedTag<float, 1> one;
  for (; i < count; ++i) function(one, i);
}

float sum_of(const float* x, int64_t count) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  auto sum0 = hn::Zero(d), sum1 = hn::Zero(d);
  int64_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    sum0 = hn::Add(sum0, hn::LoadU(d, x + i));
    sum1 = hn::Add(sum1, hn::LoadU(d, x + i + lanes));
  }
  float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(sum0, sum1)));
  for (; i < count; ++i) sum += x[i];
  return sum;
}

float squared_deviation(const float* x, int64_t count, float mean) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  auto sum0 = hn::Zero(d), sum1 = hn::Zero(d);
  const auto means = hn::Set(d, mean);
  int64_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    const auto a = hn::Sub(hn::LoadU(d, x + i), means), b = hn::Sub(hn::LoadU(d, x + i + lanes), means);
    sum0 = hn::MulAdd(a, a, sum0);
    sum1 = hn::MulAdd(b, b, sum1);
  }
  float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(sum0, sum1)));
  for (; i < count; ++i) sum += (x[i] - mean) * (x[i] - mean);
  return sum;
}

void layer_norm_rows(const RowView& x, const RowShape& shape, const NormWeights& weights, float* out) {
  const int64_t width = shape.width;
  for (int64_t r = 0; r < shape.rows; ++r) {
    const float* row = x.row(r);
    float* result = out + r * width;
    const float mean = sum_of(row, width) / static_cast<float>(width);
    const double variance = squared_deviation(row, width, mean) / static_cast<double>(width);
    const float factor = static_cast<float>(1.0 / std::sqrt(variance + weights.epsilon));
    for_lanes(width, [&](auto d, int64_t i) HWY_ATTR {
      const auto unit = hn::Mul(hn::Sub(hn::LoadU(d, row + i), hn::Set(d, mean)), hn::Set(d, factor));
      const auto shift = weights.shift ? hn::LoadU(d, weights.shift + i) : hn::Zero(d);
      hn::StoreU(hn::MulAdd(unit, hn::LoadU(d, weights.scale + i), shift), d, result + i);
    });
  }
}

void add_values(const float* a, const float* b, int64_t count, float* out) {
  for_lanes(count, [&](auto d, int64_t i)
                       HWY_ATTR { hn::StoreU(hn::Add(hn::LoadU(d, a + i), hn::LoadU(d, b + i)), d, out + i); });
}

void multiply_values(const float* a, const float* b, int64_t count, float* out) {
  for_lanes(count, [&](auto d, int64_t i)
                       HWY_ATTR { hn::StoreU(hn::Mul(hn::LoadU(d, a + i), hn::LoadU(d, b + i)), d, out + i); });
}

void rotate_row(const float* x, const Rotation& rotation, float* out) {
  for (int64_t head = 0; head < rotation.heads; ++head) {
    const float *a = x + 2 * head * rotation.half, *b = a + rotation.half;
    float* turned = out + 2 * head * rotation.half;
    for_lanes(rotation.half, [&](auto d, int64_t i) HWY_ATTR {
      const auto cosine = hn::LoadU(d, rotation.cosines + i), sine = hn::LoadU(d, rotation.sines + i);
      const auto left = hn::LoadU(d, a + i), right = hn::LoadU(d, b + i);
      hn::StoreU(hn::NegMulAdd(right, sine, hn::Mul(left, cosine)), d, turned + i);
      hn::StoreU(hn::MulAdd(left, sine, hn::Mul(right, cosine)), d, turned + rotation.half + i);
    });
  }
}

void mean_of_rows(MatrixView<const float> x, float* out) {
  const float factor = 1.0F / static_cast<float>(x.rows);
  for_lanes(x.cols, [&](auto d, int64_t i) HWY_ATTR {
    auto sum = hn::LoadU(d, x.data + i);
    for (int64_t r = 1; r < x.rows; ++r) sum = hn::Add(sum, hn::LoadU(d, x.row(r) + i));
    hn::StoreU(hn::Mul(sum, hn::Set(d, factor)), d, out + i);
  });
}

void weighted_mean_of_rows(MatrixView<const float> x, float* out) {
  const double total = 0.5 * static_cast<double>(x.rows) * static_cast<double>(x.rows + 1);
  for_lanes(x.cols, [&](auto d, int64_t i) HWY_ATTR {
    auto sum = hn::Zero(d);
    for (int64_t r = 0; r < x.rows; ++r) {
      const auto share = static_cast<float>(static_cast<double>(r + 1) / total);
      sum = hn::MulAdd(hn::LoadU(d, x.row(r) + i), hn::Set(d, share), sum);
    }
    hn::StoreU(sum, d, out + i);
  });
}

void max_of_rows(MatrixView<const float> x, float* out) {
  for_lanes(x.cols, [&](auto d, int64_t i) HWY_ATTR {
    auto highest = hn::LoadU(d, x.data + i);
    for (int64_t r = 1; r < x.rows; ++r) highest = hn::Max(highest, hn::LoadU(d, x.row(r) + i));
    hn::StoreU(highest, d, out + i);
  });
}

void activate_rows(float* values, int64_t count, Activation activation) { activate_values(values, count, activation); }

}  // namespace pictrieve::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pictrieve {

HWY_EXPORT(layer_norm_rows);
HWY_EXPORT(add_values);
HWY_EXPORT(multiply_values);
HWY_EXPORT(activate_rows);
HWY_EXPORT(rotate_row);
HWY_EXPORT(mean_of_rows);
HWY_EXPORT(weighted_mean_of_rows);
HWY_EXPORT(max_of_rows);

void layer_norm_rows(const RowView& x, const RowShape& shape, const NormWeights& weights, float* out) {
  HWY_DYNAMIC_DISPATCH(layer_norm_rows)(x, shape, weights, out);
}

void add_values(const float* a, const float* b, int64_t count, float* out) {
  HWY_DYNAMIC_DISPATCH(add_values)(a, b, count, out);
}

void multiply_values(const float* a, const float* b, int64_t count, float* out) {
  HWY_DYNAMIC_DISPATCH(multiply_values)(a, b, count, out);
}

void activate_rows(float* values, int64_t count, Activation activation) {
  HWY_DYNAMIC_DISPATCH(activate_rows)(values, count, activation);
}

void rotate_row(const float* x, const Rotation& rotation, float* out) {
  HWY_DYNAMIC_DISPATCH(rotate_row)(x, rotation, out);
}

void mean_of_rows(MatrixView<const float> x, float* out) { HWY_DYNAMIC_DISPATCH(mean_of_rows)(x, out); }

void weighted_mean_of_rows(MatrixView<const float> x, float* out) {
  HWY_DYNAMIC_DISPATCH(weighted_mean_of_rows)(x, out);
}

void max_of_rows(MatrixView<const float> x, float* out) { HWY_DYNAMIC_DISPATCH(max_of_rows)(x, out); }

}  // namespace pictrieve
#endif
