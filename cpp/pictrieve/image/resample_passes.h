// The two passes of separable resampling on 8-bit pixels, exact in fixed point.
#pragma once

#include "pictrieve/base/image.h"
#include "pictrieve/image/resample_weights.h"

namespace pictrieve {

/// Rows of bytes with slack behind each, so that vector loads and stores may run over their end.
struct PaddedRows {
  PaddedRows(int row_count, int64_t row_bytes)
      : stride((row_bytes + 63) / 64 * 64 + 64), rows(row_count), bytes(aligned_array<uint8_t>(stride * row_count)) {}
  uint8_t* row(int y) const { return bytes.get() + y * stride; }

  int64_t stride;
  int rows;
  std::shared_ptr<uint8_t[]> bytes;
};

/// Each row of `source` (1, 3 or 4 channels) to axis.size() pixels.
void resample_rows(ImageView source, const AxisWeights& axis, const PaddedRows& out);

/// Row i of `out` from the rows of `source` that axis names, counted from `first_row`.
void resample_columns(ImageView source, int first_row, const AxisWeights& axis, const Image& out);

}  // namespace pictrieve
