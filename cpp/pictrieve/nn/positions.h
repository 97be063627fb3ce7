// Learned positions of a grid of patches, for grids of any size.
#pragma once

#include "pictrieve/nn/ops.h"

namespace pictrieve {

/// What add_grid() wants: the rows of `table` (side * side, c), interpolated (bicubic) where a picture has another grid
/// than side x side. `antialias` widens the kernel where the grid shrinks.
GridFunction learned_positions(torch::Tensor table, int64_t side, bool antialias);

}  // namespace pictrieve
