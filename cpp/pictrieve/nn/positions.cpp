#include "pictrieve/nn/positions.h"

#include <utility>

namespace pictrieve {

GridFunction learned_positions(torch::Tensor table, int64_t side, bool antialias) {
  return [table = std::move(table), side, antialias](int64_t height, int64_t width) {
    if (height == side && width == side) return table;
    const torch::Tensor grid = table.t().reshape({1, -1, side, side});
    const torch::Tensor resized = antialias ? at::_upsample_bicubic2d_aa(grid, {height, width}, false)
                                            : at::upsample_bicubic2d(grid, {height, width}, false);
    return resized.flatten(2).squeeze(0).t();
  };
}

}  // namespace pictrieve
