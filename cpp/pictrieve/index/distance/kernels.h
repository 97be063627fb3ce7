// One query against many rows: the inner loops of every search, dispatched to the widest SIMD of this machine.
#pragma once

#include <cstdint>
#include <limits>

#include "pictrieve/index/distance/row_list.h"

namespace pictrieve {

/// Rows whose squared length is not above this have finite products and distances with each other.
inline constexpr float kMaxSquaredLength = std::numeric_limits<float>::max() / 8;

/// out[i] = inner product of the query with the i-th row of the list. The next rows are prefetched meanwhile.
void dots(const float* query, const RowList& list, float* out);

/// out[i] = squared Euclidean distance.
void squared_distances(const float* query, const RowList& list, float* out);

/// keys[i] *= factors[i] * factor.
void scale_keys(float* keys, int64_t count, const float* factors, float factor);

/// Turns inner products with a query into minus squared distances: keys[i] = 2 keys[i] - squared[i] - query_squared.
void distance_keys(float* keys, int64_t count, const float* squared, float query_squared);

/// Writes the positions of keys >= floor in order and returns their number; NaN is never kept.
int64_t positions_at_least(const float* keys, int64_t count, float floor, int32_t* positions);

}  // namespace pictrieve
