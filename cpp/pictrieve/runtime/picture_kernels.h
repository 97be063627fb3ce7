// What moves and averages the pixels of a picture whose channels come last, one thread each.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "pictrieve/nn/operation.h"
#include "pictrieve/runtime/row_view.h"
#include "pictrieve/runtime/value_shapes.h"

namespace pictrieve {

/// Row i of `out` (index.size(), width) becomes row index[i] of `in`, or zeros where that is negative.
void gather_rows(RowView in, std::span<const int32_t> index, int64_t width, float* out);
/// Back: row index[i] of `out` becomes row i of `in`.
void scatter_rows(const float* in, std::span<const int32_t> index, int64_t width, float* out);

/// The row of `x` that each row of the result is: UpsampleLike, PadToMultiple, CropLike, Roll, or SpaceToDepth, whose
/// rows are four.
std::vector<int32_t> moved_rows(const Operation& operation, const Shape& x, const Shape& result);

/// A rectangle of pixels [top, bottom) x [left, right) and what the sum over it is divided by.
struct Cell {
  int64_t top = 0;
  int64_t bottom = 0;
  int64_t left = 0;
  int64_t right = 0;
  int64_t divisor = 1;
};

/// AdaptiveAvgPool's: cell i of n begins at floor(i * size / n) and ends at ceil((i + 1) * size / n).
std::vector<Cell> adaptive_cells(const Shape& x, int64_t rows, int64_t columns);
/// AvgPool's.
std::vector<Cell> window_cells(const Shape& x, const PoolOptions& options);

/// out (cells.size(), channels) from a picture `x` of this shape.
void mean_of_cells(RowView x, const Shape& shape, std::span<const Cell> cells, float* out);

/// Pixels in the order of square windows, after rolling the picture where it is not rolled yet: the row of the picture
/// that each row of the windows is.
std::vector<int32_t> window_rows(const Shape& x, const AttentionOptions& options);

}  // namespace pictrieve
