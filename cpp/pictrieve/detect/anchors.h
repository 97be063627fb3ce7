// The boxes that a region proposal network starts from (Ren et al., arXiv:1506.01497).
#pragma once

#include <cstdint>
#include <vector>

#include "pictrieve/detect/boxes.h"

namespace pictrieve {

/// One box of each shape around every pixel of a map: pixels row by row, the three shapes (height by width 1:2, 1:1,
/// 2:1, all of area size * size) at each. `stride_y` and `stride_x` are pixels of the picture for one of the map.
std::vector<Box> anchors(int64_t rows, int64_t columns, int64_t stride_y, int64_t stride_x, float size);

}  // namespace pictrieve
