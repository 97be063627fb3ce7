// Non-linearities on vectors. Included once per instruction set by Highway's foreach_target.
#if defined(PICTRIEVE_RUNTIME_ACTIVATION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PICTRIEVE_RUNTIME_ACTIVATION_INL_H_
#undef PICTRIEVE_RUNTIME_ACTIVATION_INL_H_
#else
#define PICTRIEVE_RUNTIME_ACTIVATION_INL_H_
#endif

#include <hwy/highway.h>

#include <hwy/contrib/math/math-inl.h>

#include "pictrieve/nn/graph.h"

HWY_BEFORE_NAMESPACE();
namespace pictrieve::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// The error function as x P(x^2) / Q(x^2), a weighted least-squares fit on [-3.92, 3.92], beyond which float32's erf
/// is
/// +-1 to 3e-8. Absolute error below 5e-7 with float32 rounding, most of it from the division and the last product.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V erf_vector(D d, V x) {
  const V c = hn::Min(hn::Max(x, hn::Set(d, -3.92F)), hn::Set(d, 3.92F));
  const V t = hn::Mul(c, c);
  V p = hn::Set(d, 2.034725639532553e-06F);
  p = hn::MulAdd(p, t, hn::Set(d, 0.00028748015756718814F));
  p = hn::MulAdd(p, t, hn::Set(d, 0.0038683696184307337F));
  p = hn::MulAdd(p, t, hn::Set(d, 0.053060613572597504F));
  p = hn::MulAdd(p, t, hn::Set(d, 0.19276505708694458F));
  p = hn::MulAdd(p, t, hn::Set(d, 1.128378987312317F));
  V q = hn::Set(d, 3.807058237725869e-05F);
  q = hn::MulAdd(q, t, hn::Set(d, 0.0011881249956786633F));
  q = hn::MulAdd(q, t, hn::Set(d, 0.01517238188534975F));
  q = hn::MulAdd(q, t, hn::Set(d, 0.11508503556251526F));
  q = hn::MulAdd(q, t, hn::Set(d, 0.5041652321815491F));
  q = hn::MulAdd(q, t, hn::Set(d, 1.0F));
  return hn::Div(hn::Mul(c, p), q);
}

template <class D, class V = hn::Vec<D>>
HWY_INLINE V gelu_vector(D d, V x) {
  const V half = hn::Mul(x, hn::Set(d, 0.5F));
  return hn::MulAdd(half, erf_vector(d, hn::Mul(x, hn::Set(d, 0.70710678118654752F))), half);
}

/// 1 / (1 + exp(-x)). Beyond 87 the exponential leaves float32's range.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V sigmoid_vector(D d, V x) {
  const V clipped = hn::Min(hn::Max(x, hn::Set(d, -87.0F)), hn::Set(d, 87.0F));
  const V one = hn::Set(d, 1.0F);
  return hn::Div(one, hn::Add(one, hn::Exp(d, hn::Neg(clipped))));
}

/// x * (1 + tanh(u)) / 2 = x * sigmoid(2 u) with u = sqrt(2 / pi) (x + 0.044715 x^3).
template <class D, class V = hn::Vec<D>>
HWY_INLINE V gelu_tanh_vector(D d, V x) {
  const V twice = hn::Set(d, 1.5957691216057308F), cubic = hn::Set(d, 0.071354816272600229F);
  return hn::Mul(x, sigmoid_vector(d, hn::Mul(x, hn::MulAdd(hn::Mul(x, x), cubic, twice))));
}

template <class D, class V = hn::Vec<D>>
HWY_INLINE V hard_sigmoid_vector(D d, V x) {
  const V line = hn::MulAdd(x, hn::Set(d, 1.0F / 6), hn::Set(d, 0.5F));
  return hn::Min(hn::Max(line, hn::Zero(d)), hn::Set(d, 1.0F));
}

template <class F>
HWY_INLINE void transform(float* values, int64_t count, const F& function) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(function(d, hn::LoadU(d, values + i)), d, values + i);
  const hn::CappedTag<float, 1> one;
  for (; i < count; ++i) hn::StoreU(function(one, hn::LoadU(one, values + i)), one, values + i);
}

HWY_INLINE void activate_values(float* values, int64_t count, Activation activation) {
  switch (activation) {
    case Activation::Relu:
      return transform(values, count, [](auto d, auto x) HWY_ATTR { return hn::Max(x, hn::Zero(d)); });
    case Activation::Relu6:
      return transform(values, count,
                       [](auto d, auto x) HWY_ATTR { return hn::Min(hn::Max(x, hn::Zero(d)), hn::Set(d, 6.0F)); });
    case Activation::Gelu:
      return transform(values, count, [](auto d, auto x) HWY_ATTR { return gelu_vector(d, x); });
    case Activation::GeluTanh:
      return transform(values, count, [](auto d, auto x) HWY_ATTR { return gelu_tanh_vector(d, x); });
    case Activation::QuickGelu:
      return transform(values, count, [](auto d, auto x) HWY_ATTR {
        return hn::Mul(x, sigmoid_vector(d, hn::Mul(x, hn::Set(d, 1.702F))));
      });
    case Activation::Silu:
      return transform(values, count, [](auto d, auto x) HWY_ATTR { return hn::Mul(x, sigmoid_vector(d, x)); });
    case Activation::HardSwish:
      return transform(values, count, [](auto d, auto x) HWY_ATTR { return hn::Mul(x, hard_sigmoid_vector(d, x)); });
    case Activation::HardSigmoid:
      return transform(values, count, [](auto d, auto x) HWY_ATTR { return hard_sigmoid_vector(d, x); });
    case Activation::Sigmoid:
      return transform(values, count, [](auto d, auto x) HWY_ATTR { return sigmoid_vector(d, x); });
    case Activation::Tanh:
      return transform(values, count, [](auto d, auto x) HWY_ATTR { return hn::Tanh(d, x); });
    case Activation::None:
      return;
  }
}

}  // namespace pictrieve::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
