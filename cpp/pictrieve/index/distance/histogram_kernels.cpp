#include "pictrieve/index/distance/histogram_kernels.h"

#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "pictrieve/index/distance/histogram_kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "pictrieve/index/distance/float_terms-inl.h"

HWY_BEFORE_NAMESPACE();
namespace pictrieve::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

struct AbsoluteDifference : OneSum {
  HWY_INLINE Vec operator()(Vec a, Vec b, Vec sum) const { return hn::Add(sum, hn::Abs(hn::Sub(a, b))); }
};

struct ChiSquare : OneSum {
  /// d (d / s) instead of d^2 / s cannot overflow. Where both are 0, so is d, and 0 / tiny is 0.
  HWY_INLINE Vec operator()(Vec a, Vec b, Vec sum) const {
    const Vec tiny = hn::Set(Floats(), std::numeric_limits<float>::min());
    const Vec difference = hn::Sub(a, b);
    return hn::MulAdd(difference, hn::Div(difference, hn::Max(hn::Add(a, b), tiny)), sum);
  }
};

struct Intersection : OneSum {
  HWY_INLINE Vec operator()(Vec a, Vec b, Vec sum) const { return hn::Add(sum, hn::Min(a, b)); }
};

struct Jaccard {
  struct Sum {
    Vec smaller, larger;
  };
  static HWY_INLINE Sum zero() { return {hn::Zero(Floats()), hn::Zero(Floats())}; }
  HWY_INLINE Sum operator()(Vec a, Vec b, Sum sum) const {
    return {hn::Add(sum.smaller, hn::Min(a, b)), hn::Add(sum.larger, hn::Max(a, b))};
  }
  static HWY_INLINE float result(Sum a, Sum b) {
    const float larger = total(hn::Add(a.larger, b.larger));
    return larger > 0 ? total(hn::Add(a.smaller, b.smaller)) / larger : 1.0F;
  }
};

void l1(const float* query, const RowList& list, float* out) { compare<AbsoluteDifference>(query, list, out); }
void chi_square(const float* query, const RowList& list, float* out) { compare<ChiSquare>(query, list, out); }
void intersection(const float* query, const RowList& list, float* out) { compare<Intersection>(query, list, out); }
void jaccard(const float* query, const RowList& list, float* out) { compare<Jaccard>(query, list, out); }

}  // namespace pictrieve::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pictrieve {

HWY_EXPORT(l1);
HWY_EXPORT(chi_square);
HWY_EXPORT(intersection);
HWY_EXPORT(jaccard);

void l1_distances(const float* query, const RowList& list, float* out) { HWY_DYNAMIC_DISPATCH(l1)(query, list, out); }

void chi_square_distances(const float* query, const RowList& list, float* out) {
  HWY_DYNAMIC_DISPATCH(chi_square)(query, list, out);
}

void intersections(const float* query, const RowList& list, float* out) {
  HWY_DYNAMIC_DISPATCH(intersection)(query, list, out);
}

void jaccard_similarities(const float* query, const RowList& list, float* out) {
  HWY_DYNAMIC_DISPATCH(jaccard)(query, list, out);
}

}  // namespace pictrieve
#endif
