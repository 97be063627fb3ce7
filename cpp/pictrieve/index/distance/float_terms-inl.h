// One query against rows of numbers, four at a time: a term for each pair of elements, summed. Once for each SIMD
// target.
#if defined(PICTRIEVE_FLOAT_TERMS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PICTRIEVE_FLOAT_TERMS_INL_H_
#undef PICTRIEVE_FLOAT_TERMS_INL_H_
#else
#define PICTRIEVE_FLOAT_TERMS_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>

#include "pictrieve/index/distance/four_rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace pictrieve::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;
using Vec = hn::Vec<Floats>;

HWY_INLINE float total(Vec sum) { return hn::GetLane(hn::SumOfLanes(Floats(), sum)); }

/// Base of terms with one sum. Another term brings its own Sum, zero(), and result() of two sums.
struct OneSum {
  using Sum = Vec;
  static HWY_INLINE Sum zero() { return hn::Zero(Floats()); }
  static HWY_INLINE float result(Sum a, Sum b) { return total(hn::Add(a, b)); }
};

struct Product : OneSum {
  HWY_INLINE Vec operator()(Vec a, Vec b, Vec sum) const { return hn::MulAdd(a, b, sum); }
};

struct SquaredDifference : OneSum {
  HWY_INLINE Vec operator()(Vec a, Vec b, Vec sum) const {
    const Vec difference = hn::Sub(a, b);
    return hn::MulAdd(difference, difference, sum);
  }
};

/// How a vector of elements becomes floats. Another element type brings its own operator() and part().
struct Load {
  HWY_INLINE Vec operator()(const float* values) const { return hn::LoadU(Floats(), values); }
  HWY_INLINE Vec part(const float* values, int64_t count) const;
};

/// The first `count` <= lanes numbers, then zeros. Before AVX2 a masked load reads a whole aligned vector.
HWY_INLINE Vec Load::part(const float* values, int64_t count) const {
  const Floats d;
#if HWY_TARGET <= HWY_AVX2
  return hn::MaskedLoad(hn::FirstN(d, static_cast<size_t>(count)), d, values);
#else
  HWY_ALIGN float part[hn::MaxLanes(Floats())] = {};
  for (int64_t i = 0; i < count; ++i) part[i] = values[i];
  return hn::Load(d, part);
#endif
}

/// Compares the query with four rows, and asks for the four after them line by line as it goes.
/// Past the end of a row both elements are 0, where every term is 0.
template <typename Term, typename LoadRow, typename T>
HWY_INLINE void sum_terms(const float* HWY_RESTRICT query, int64_t dim, const T* const* rows, const T* const* next,
                          float* HWY_RESTRICT out) {
  const Term term;
  const Load load;
  const LoadRow load_row;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(Floats()));
  auto a0 = Term::zero(), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
  int64_t i = 0;
  for (; i + 2 * lanes <= dim; i += 2 * lanes) {
    prefetch_four(next, i, i + 2 * lanes);
    const Vec q0 = load(query + i), q1 = load(query + i + lanes);
    a0 = term(q0, load_row(rows[0] + i), a0);
    a1 = term(q0, load_row(rows[1] + i), a1);
    a2 = term(q0, load_row(rows[2] + i), a2);
    a3 = term(q0, load_row(rows[3] + i), a3);
    b0 = term(q1, load_row(rows[0] + i + lanes), b0);
    b1 = term(q1, load_row(rows[1] + i + lanes), b1);
    b2 = term(q1, load_row(rows[2] + i + lanes), b2);
    b3 = term(q1, load_row(rows[3] + i + lanes), b3);
  }
  for (; i < dim; i += lanes) {
    const int64_t count = std::min(lanes, dim - i);
    const Vec q = load.part(query + i, count);
    a0 = term(q, load_row.part(rows[0] + i, count), a0);
    a1 = term(q, load_row.part(rows[1] + i, count), a1);
    a2 = term(q, load_row.part(rows[2] + i, count), a2);
    a3 = term(q, load_row.part(rows[3] + i, count), a3);
  }
  out[0] = Term::result(a0, b0);
  out[1] = Term::result(a1, b1);
  out[2] = Term::result(a2, b2);
  out[3] = Term::result(a3, b3);
}

template <typename Term, typename LoadRow = Load, typename T>
HWY_INLINE void compare(const float* query, const RowListOf<T>& list, float* out) {
  for_each_four(list, out, [&](const T* const* rows, const T* const* next, float* four) HWY_ATTR {
    sum_terms<Term, LoadRow>(query, list.dim, rows, next, four);
  });
}

}  // namespace pictrieve::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
