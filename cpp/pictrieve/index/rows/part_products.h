// Private: a query's part against all points of a codebook's part.
#pragma once

#include <cstdint>

namespace pictrieve {

/// out[p] = sum over d < dim of query[d] * points[count d + p], for `count` points, a multiple of 16.
void part_products(const float* points, int64_t count, const float* query, int64_t dim, float* out);

}  // namespace pictrieve
