// Rows of 16-bit floats: half the memory and half the traffic of float32, at 3.3 or 2.4 decimal digits a number.
#pragma once

#include <cstdint>

#include "pictrieve/index/distance/row_list.h"

namespace pictrieve {

/// IEEE 754 binary16: 11 significant bits, at most 65504, subnormal below 6.1e-5.
struct Float16 {
  uint16_t bits;
};

/// The upper half of a float32: its range, 8 significant bits.
struct BFloat16 {
  uint16_t bits;
};

/// Rounds finite numbers to the nearest, ties to even. Gives the position of the first that has become infinite, being
/// past the range of `out`'s type, and `count` where none has. Float16: |x| >= 65520; BFloat16: |x| >= 3.3961e38.
int64_t encode(const float* values, int64_t count, Float16* out);
int64_t encode(const float* values, int64_t count, BFloat16* out);

/// Exact: every 16-bit float is a float32.
void decode(const Float16* values, int64_t count, float* out);
void decode(const BFloat16* values, int64_t count, float* out);

/// out[i] = inner product of the query with the i-th row, widened, summed in float32. The next rows are prefetched.
void dots(const float* query, const RowListOf<Float16>& list, float* out);
void dots(const float* query, const RowListOf<BFloat16>& list, float* out);

/// out[i] = squared Euclidean distance.
void squared_distances(const float* query, const RowListOf<Float16>& list, float* out);
void squared_distances(const float* query, const RowListOf<BFloat16>& list, float* out);

}  // namespace pictrieve
