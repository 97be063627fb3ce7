// Which entry of a bias table belongs to which pair of tokens, for Torch and for the plans alike.
#pragma once

#include <cstdint>
#include <vector>

#include "pictrieve/nn/operation.h"

namespace pictrieve {

/// Bucket of a key that lies `apart` tokens after its query: half of `entries` for keys before, half for keys after; in
/// each, the first half one by one, the rest by the logarithm of the distance up to 128 (Raffel et al.,
/// arXiv:1910.10683).
int64_t relative_bias_bucket(int64_t apart, int64_t entries);

/// Entry of the table for each (query, key), (length, length) row by row. Buckets: as above. Grid: (row offset + window
/// - 1) * (2 window - 1) + column offset + window - 1.
std::vector<int64_t> relative_bias_entries(const AttentionOptions& options, int64_t entries, int64_t length);

/// By how many pixels an axis of this size is rolled; see AttentionOptions.
int64_t shift_along(const AttentionOptions& options, int64_t size);

/// Region of each pixel of the rolled picture (height, width): those of different regions were no neighbours before.
std::vector<int64_t> shift_regions(const AttentionOptions& options, int64_t height, int64_t width);

}  // namespace pictrieve
