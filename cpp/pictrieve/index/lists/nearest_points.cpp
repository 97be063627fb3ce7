#include "pictrieve/index/lists/nearest_points.h"

#include <algorithm>
#include <limits>

#include "pictrieve/base/linalg.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "pictrieve/index/lists/nearest_points.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace pictrieve::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;
using Ints = hn::RebindToSigned<Floats>;
using Vec = hn::Vec<Floats>;
using IntVec = hn::Vec<Ints>;

HWY_INLINE void take_larger(Vec value, int32_t number, Vec& best, IntVec& where) {
  const auto larger = hn::Gt(value, best);
  best = hn::IfThenElse(larger, value, best);
  where = hn::IfThenElse(hn::RebindMask(Ints(), larger), hn::Set(Ints(), number), where);
}

/// Two vectors of rows, whose dimension i lies at rows + 2 * lanes * i, against all points, six at a time: twelve sums
/// in flight keep both multipliers busy, where BLAS would write every product to memory and read it again.
void nearest_block(const float* HWY_RESTRICT rows, int64_t dim, const float* HWY_RESTRICT points,
                   const float* HWY_RESTRICT biases, int64_t groups, int32_t* HWY_RESTRICT nearest) {
  const Floats d;
  const Ints di;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  auto best0 = hn::Set(d, -std::numeric_limits<float>::infinity()), best1 = best0;
  auto where0 = hn::Zero(di), where1 = where0;
  for (int64_t g = 0; g < groups; ++g, biases += 6) {
    auto a0 = hn::Set(d, biases[0]), a1 = hn::Set(d, biases[1]), a2 = hn::Set(d, biases[2]);
    auto a3 = hn::Set(d, biases[3]), a4 = hn::Set(d, biases[4]), a5 = hn::Set(d, biases[5]);
    auto b0 = a0, b1 = a1, b2 = a2, b3 = a3, b4 = a4, b5 = a5;
    for (int64_t i = 0; i < dim; ++i, points += 6) {
      const auto x = hn::LoadU(d, rows + 2 * lanes * i), y = hn::LoadU(d, rows + 2 * lanes * i + lanes);
      const auto p0 = hn::Set(d, points[0]), p1 = hn::Set(d, points[1]), p2 = hn::Set(d, points[2]);
      a0 = hn::MulAdd(x, p0, a0), b0 = hn::MulAdd(y, p0, b0);
      a1 = hn::MulAdd(x, p1, a1), b1 = hn::MulAdd(y, p1, b1);
      a2 = hn::MulAdd(x, p2, a2), b2 = hn::MulAdd(y, p2, b2);
      const auto p3 = hn::Set(d, points[3]), p4 = hn::Set(d, points[4]), p5 = hn::Set(d, points[5]);
      a3 = hn::MulAdd(x, p3, a3), b3 = hn::MulAdd(y, p3, b3);
      a4 = hn::MulAdd(x, p4, a4), b4 = hn::MulAdd(y, p4, b4);
      a5 = hn::MulAdd(x, p5, a5), b5 = hn::MulAdd(y, p5, b5);
    }
    const auto first = static_cast<int32_t>(6 * g);
    take_larger(a0, first, best0, where0), take_larger(b0, first, best1, where1);
    take_larger(a1, first + 1, best0, where0), take_larger(b1, first + 1, best1, where1);
    take_larger(a2, first + 2, best0, where0), take_larger(b2, first + 2, best1, where1);
    take_larger(a3, first + 3, best0, where0), take_larger(b3, first + 3, best1, where1);
    take_larger(a4, first + 4, best0, where0), take_larger(b4, first + 4, best1, where1);
    take_larger(a5, first + 5, best0, where0), take_larger(b5, first + 5, best1, where1);
  }
  hn::StoreU(where0, di, nearest);
  hn::StoreU(where1, di, nearest + lanes);
}

void find_nearest(const MatrixView<const float> rows, int64_t dim, const float* points, const float* biases,
                  int64_t groups, int32_t* nearest) {
  const int64_t block = 2 * static_cast<int64_t>(hn::Lanes(Floats()));
  std::vector<float> turned(static_cast<size_t>(block * dim));
  std::vector<int32_t> found(static_cast<size_t>(block));
  for (int64_t first = 0; first < rows.rows; first += block) {
    const int64_t count = std::min(block, rows.rows - first);
    if (count < block) std::fill(turned.begin(), turned.end(), 0.0F);
    for (int64_t r = 0; r < count; ++r)
      for (int64_t i = 0; i < dim; ++i) turned[static_cast<size_t>(i * block + r)] = rows.row(first + r)[i];
    nearest_block(turned.data(), dim, points, biases, groups, found.data());
    std::copy_n(found.data(), count, nearest + first);
  }
}

}  // namespace pictrieve::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pictrieve {

HWY_EXPORT(find_nearest);

NearestPoints::NearestPoints(MatrixView<const float> points, By by)
    : dim_(points.cols),
      groups_((points.rows + 5) / 6),
      points_(static_cast<size_t>(6 * groups_ * dim_), 0.0F),
      biases_(static_cast<size_t>(6 * groups_), -std::numeric_limits<float>::infinity()) {
  for (int64_t p = 0; p < points.rows; ++p) {
    const float* point = points.row(p);
    for (int64_t i = 0; i < dim_; ++i) points_[static_cast<size_t>((p / 6 * dim_ + i) * 6 + p % 6)] = point[i];
    // |x - p|^2 is smallest where x.p - |p|^2 / 2 is largest.
    biases_[static_cast<size_t>(p)] = by == By::Distance ? -0.5F * dot(point, point, dim_) : 0.0F;
  }
}

void NearestPoints::find(const float* rows, int64_t count, int64_t stride, int32_t* nearest) const {
  HWY_DYNAMIC_DISPATCH(find_nearest)({rows, count, stride}, dim_, points_.data(), biases_.data(), groups_, nearest);
}

std::vector<int32_t> NearestPoints::of(MatrixView<const float> rows, const Monitor& monitor) const {
  std::vector<int32_t> nearest(static_cast<size_t>(rows.rows));
  parallel_for(
      rows.rows, 256,
      [&](int64_t begin, int64_t end, const Worker&) {
        find(rows.row(begin), end - begin, rows.cols, nearest.data() + begin);
      },
      monitor);
  return nearest;
}

}  // namespace pictrieve
#endif
