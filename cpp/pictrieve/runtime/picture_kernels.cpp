#include "pictrieve/runtime/picture_kernels.h"

#include <algorithm>

#include "pictrieve/base/error.h"
#include "pictrieve/nn/relative_bias.h"

namespace pictrieve {
namespace {

/// Nearest source of a destination pixel, in float32 as Torch computes it.
int64_t nearest(int64_t place, int64_t from, int64_t to) {
  const float scale = static_cast<float>(from) / static_cast<float>(to);
  return std::min(static_cast<int64_t>(static_cast<float>(place) * scale), from - 1);
}

std::vector<int32_t> depth_rows(const Shape& x, const Shape& result) {
  std::vector<int32_t> rows;
  for (int64_t row = 0; row < result.height; ++row)
    for (int64_t column = 0; column < result.width; ++column)
      for (const int64_t right : {0, 1})
        for (const int64_t below : {0, 1})
          rows.push_back(static_cast<int32_t>((2 * row + below) * x.width + 2 * column + right));
  return rows;
}

std::vector<int32_t> rolled_rows(const Shape& x, const Operation& operation) {
  const int64_t down = shift_along(operation.attention, x.height), right = shift_along(operation.attention, x.width);
  // A small picture may be rolled by more than its size.
  const int64_t y = operation.count == 1 ? x.height - down % x.height : down,
                left = operation.count == 1 ? x.width - right % x.width : right;
  std::vector<int32_t> rows;
  for (int64_t row = 0; row < x.height; ++row)
    for (int64_t column = 0; column < x.width; ++column)
      rows.push_back(static_cast<int32_t>((row + y) % x.height * x.width + (column + left) % x.width));
  return rows;
}

}  // namespace

void gather_rows(RowView in, std::span<const int32_t> index, int64_t width, float* out) {
  for (const int32_t place : index) {
    if (place >= 0) {
      std::copy(in.row(place), in.row(place) + width, out);
    } else {
      std::fill(out, out + width, 0.0F);
    }
    out += width;
  }
}

void scatter_rows(const float* in, std::span<const int32_t> index, int64_t width, float* out) {
  for (const int32_t place : index) {
    std::copy(in, in + width, out + place * width);
    in += width;
  }
}

std::vector<int32_t> moved_rows(const Operation& operation, const Shape& x, const Shape& result) {
  if (operation.kind == OpKind::SpaceToDepth) return depth_rows(x, result);
  if (operation.kind == OpKind::Roll) return rolled_rows(x, operation);
  std::vector<int32_t> rows;
  for (int64_t row = 0; row < result.height; ++row) {
    for (int64_t column = 0; column < result.width; ++column) {
      const bool nearby = operation.kind == OpKind::UpsampleLike;
      const int64_t y = nearby ? nearest(row, x.height, result.height) : row;
      const int64_t from = nearby ? nearest(column, x.width, result.width) : column;
      rows.push_back(y < x.height && from < x.width ? static_cast<int32_t>(y * x.width + from) : -1);
    }
  }
  return rows;
}

std::vector<Cell> adaptive_cells(const Shape& x, int64_t rows, int64_t columns) {
  std::vector<Cell> cells;
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      Cell cell{i * x.height / rows, ((i + 1) * x.height + rows - 1) / rows, j * x.width / columns,
                ((j + 1) * x.width + columns - 1) / columns};
      cell.divisor = (cell.bottom - cell.top) * (cell.right - cell.left);
      cells.push_back(cell);
    }
  }
  return cells;
}

std::vector<Cell> window_cells(const Shape& x, const PoolOptions& options) {
  const PaddedAxis rows = pooled_axis(x.height, options, options.padding.y);
  const PaddedAxis columns = pooled_axis(x.width, options, options.padding.x);
  std::vector<Cell> cells;
  for (int64_t i = 0; i < rows.out; ++i) {
    for (int64_t j = 0; j < columns.out; ++j) {
      const int64_t top = i * options.stride - options.padding.y, left = j * options.stride - options.padding.x;
      // What hangs over the zeros around the picture counts for nothing.
      const int64_t bottom = std::min(top + options.kernel, x.height + options.padding.y);
      const int64_t right = std::min(left + options.kernel, x.width + options.padding.x);
      Cell cell{std::max<int64_t>(top, 0), std::min(bottom, x.height), std::max<int64_t>(left, 0),
                std::min(right, x.width)};
      cell.divisor =
          options.count_padding ? (bottom - top) * (right - left) : (cell.bottom - cell.top) * (cell.right - cell.left);
      cells.push_back(cell);
    }
  }
  return cells;
}

void mean_of_cells(RowView x, const Shape& shape, std::span<const Cell> cells, float* out) {
  for (const Cell& cell : cells) {
    std::fill(out, out + shape.channels, 0.0F);
    for (int64_t y = cell.top; y < cell.bottom; ++y) {
      for (int64_t column = cell.left; column < cell.right; ++column) {
        const float* row = x.row(y * shape.width + column);
        for (int64_t c = 0; c < shape.channels; ++c) out[c] += row[c];
      }
    }
    const float factor = 1.0F / static_cast<float>(cell.divisor);
    for (int64_t c = 0; c < shape.channels; ++c) out[c] *= factor;
    out += shape.channels;
  }
}

std::vector<int32_t> window_rows(const Shape& x, const AttentionOptions& options) {
  const int64_t window = options.window;
  const int64_t down = options.rolled ? 0 : shift_along(options, x.height);
  const int64_t right = options.rolled ? 0 : shift_along(options, x.width);
  std::vector<int32_t> rows;
  for (int64_t top = 0; top < x.height; top += window)
    for (int64_t left = 0; left < x.width; left += window)
      for (int64_t y = top; y < top + window; ++y)
        for (int64_t column = left; column < left + window; ++column)
          rows.push_back(static_cast<int32_t>((y + down) % x.height * x.width + (column + right) % x.width));
  return rows;
}

}  // namespace pictrieve
