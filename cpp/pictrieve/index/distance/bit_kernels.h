// One query against many rows of packed bits. Dispatched to the widest SIMD of this machine.
#pragma once

#include <cstdint>

#include "pictrieve/index/distance/row_list.h"

namespace pictrieve {

/// out[i] = number of differing bits. `list.dim` counts bytes, of any number and alignment.
void hamming_distances(const uint8_t* query, const RowListOf<uint8_t>& list, float* out);

/// out[i] = |a and b| / |a or b| of the set bits; 1 for two rows without any.
void jaccard_bits(const uint8_t* query, const RowListOf<uint8_t>& list, float* out);

}  // namespace pictrieve
