// Rows of 8-bit integers, each with a factor of its own: a quarter of float32's memory, inner products without
// rounding.
#pragma once

#include <cstdint>

#include "pictrieve/index/distance/row_list.h"

namespace pictrieve {

/// Longer rows could overflow a 32-bit inner product: 127 * 127 * kMaxInt8Dim < 2^31.
inline constexpr int64_t kMaxInt8Dim = INT32_MAX / (127 * 127);

/// Writes codes in [-127, 127] and gives the scale: value ~ scale * code, off by at most scale / 2 (and rounding).
/// scale = max |value| / 127, but not below the smallest normal float; a row of zeros has scale 0. Values are finite.
float encode_row(const float* values, int64_t dim, int8_t* out);

/// out[i] = scale * codes[i].
void decode_row(const int8_t* codes, int64_t dim, float scale, float* out);

/// out[i] = inner product of the codes of the query and of the i-th row, exactly; times both scales it approximates
/// that of the vectors. No code is -128; dim <= kMaxInt8Dim. The next rows are prefetched meanwhile.
void dots(const int8_t* query, const RowListOf<int8_t>& list, int32_t* out);

/// For tests: byte products by VNNI instructions, where the machine has them, or without. Gives whether they are on.
bool use_vnni(bool wanted);

}  // namespace pictrieve
