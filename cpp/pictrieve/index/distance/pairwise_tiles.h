// How pairwise() divides its work. Private to pairwise*.cpp.
#pragma once

#include <algorithm>
#include <cstdint>

#include "pictrieve/base/matrix.h"
#include "pictrieve/base/parallel.h"
#include "pictrieve/index/distance/metric.h"
#include "pictrieve/index/distance/pairwise.h"

namespace pictrieve {

inline constexpr int64_t kTileRows = 128;   // rows of x in one piece of work
inline constexpr int64_t kTileCols = 1024;  // rows of y, where products of both are to stay in the second-level cache

/// From what was computed to what was asked for.
enum class Finish : uint8_t { Keep, Negate, FromOne };

inline void finish_values(Finish finish, float* values, int64_t count) {
  if (finish == Finish::Keep) return;
  const float base = finish == Finish::FromOne ? 1.0F : 0.0F;
  for (int64_t i = 0; i < count; ++i) values[i] = base - values[i];
}

/// Calls tile(x_begin, x_end, y_begin, y_end, worker) for all rectangles of a grid, in parallel. The grid does not
/// depend on the number of threads.
template <typename Tile>
void for_each_tile(int64_t x_rows, int64_t y_rows, int64_t y_step, const Tile& tile, const Monitor& monitor) {
  const int64_t across = (y_rows + y_step - 1) / y_step;
  const int64_t down = (x_rows + kTileRows - 1) / kTileRows;
  const auto body = [&](int64_t begin, int64_t end, Worker worker) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t x_begin = i / across * kTileRows, y_begin = i % across * y_step;
      tile(x_begin, std::min(x_begin + kTileRows, x_rows), y_begin, std::min(y_begin + y_step, y_rows), worker);
    }
  };
  parallel_for(across * down, 1, body, monitor);
}

/// pairwise() of checked rows by inner product, cosine, L2, Pearson or Hellinger.
void compare_by_products(MatrixView<const float> x, MatrixView<const float> y, Metric metric, PairKind kind,
                         MatrixView<float> out, const Monitor& monitor);

}  // namespace pictrieve
