// The operations on rows that are not matrix products, one thread each.
#pragma once

#include <cstdint>

#include "pictrieve/base/matrix.h"
#include "pictrieve/nn/operation.h"
#include "pictrieve/runtime/row_view.h"

namespace pictrieve {

/// Layer normalisation of each row, `shift` or none. `out` (rows, width) may be `x`.
struct NormWeights {
  const float* scale = nullptr;
  const float* shift = nullptr;
  double epsilon = 0;
};
struct RowShape {
  int64_t rows = 0;
  int64_t width = 0;
};
void layer_norm_rows(const RowView& x, const RowShape& shape, const NormWeights& weights, float* out);

/// `out` may be `a` or `b`.
void add_values(const float* a, const float* b, int64_t count, float* out);
void multiply_values(const float* a, const float* b, int64_t count, float* out);

void activate_rows(float* values, int64_t count, Activation activation);

/// Turns each head (a, b) of one row, two halves of `half` numbers, into (a cos - b sin, b cos + a sin).
struct Rotation {
  const float* cosines = nullptr;  ///< `half` numbers
  const float* sines = nullptr;
  int64_t heads = 1;
  int64_t half = 0;
};
void rotate_row(const float* x, const Rotation& rotation, float* out);

/// One row for all rows of `x`: their mean, added in order; the mean in which the i-th row, from 1, weighs i; their
/// maxima.
void mean_of_rows(MatrixView<const float> x, float* out);
void weighted_mean_of_rows(MatrixView<const float> x, float* out);
void max_of_rows(MatrixView<const float> x, float* out);

}  // namespace pictrieve
