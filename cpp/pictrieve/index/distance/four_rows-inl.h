// Rows of a list four at a time, with the four after them at hand for prefetching. Once for each SIMD target.
#if defined(PICTRIEVE_FOUR_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PICTRIEVE_FOUR_ROWS_INL_H_
#undef PICTRIEVE_FOUR_ROWS_INL_H_
#else
#define PICTRIEVE_FOUR_ROWS_INL_H_
#endif

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cstring>

#include "pictrieve/index/distance/row_list.h"

HWY_BEFORE_NAMESPACE();
namespace pictrieve::HWY_NAMESPACE {

constexpr int64_t kFour = 4;
constexpr int64_t kLineBytes = 64;

template <typename T>
HWY_INLINE const T* row_or_last(const RowListOf<T>& list, int64_t i) {
  const int64_t last = std::min(i, list.count - 1);  // a short group repeats its last row
  return list.base + (list.rows ? int64_t{list.rows[last]} : list.first + last) * list.dim;
}

/// compare(rows, next, out) fills out[0..3] from four rows; `next` are the rows of the call after it.
template <typename T, typename Out, typename Compare>
HWY_INLINE void for_each_four(const RowListOf<T>& list, Out* HWY_RESTRICT out, const Compare& compare) {
  const T* rows[2][kFour];
  for (int64_t r = 0; r < kFour && list.count > 0; ++r) rows[0][r] = row_or_last(list, r);
  int current = 0;
  for (int64_t i = 0; i < list.count; i += kFour, current ^= 1) {
    for (int64_t r = 0; r < kFour; ++r) rows[current ^ 1][r] = row_or_last(list, i + kFour + r);
    Out four[kFour];
    compare(rows[current], rows[current ^ 1], four);
    for (int64_t r = 0; r < std::min(kFour, list.count - i); ++r) out[i + r] = four[r];
  }
}

/// Asks for elements [begin, end) of the next rows, line by line.
template <typename T>
HWY_INLINE void prefetch_four(const T* const* next, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; i += kLineBytes / static_cast<int64_t>(sizeof(T)))
    for (int64_t r = 0; r < kFour; ++r) hwy::Prefetch(next[r] + i);
}

/// The last elements of a row, fewer than `lanes`, as `load` gives them, at the place where their lanes end with the
/// row; the lanes before them hold what `load` found there. Rows shorter than a vector are copied behind zeros.
template <typename T, typename Load>
HWY_INLINE auto load_end(const T* row, int64_t dim, int64_t lanes, const Load& load) {
  if (dim >= lanes) return load(row + dim - lanes);
  HWY_ALIGN T end[HWY_MAX_BYTES] = {};
  std::memcpy(static_cast<void*>(end + lanes - dim), row, static_cast<size_t>(dim) * sizeof(T));
  return load(end);
}

}  // namespace pictrieve::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
