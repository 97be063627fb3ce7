// Rows as their metric compares them; exact evaluation takes the same steps.
#pragma once

#include "pictrieve/base/matrix.h"
#include "pictrieve/index/distance/metric.h"

namespace pictrieve {

/// Throws naming the first row that the metric cannot compare: NaN, infinity, too long, or below 0 in a histogram.
void require_comparable(MatrixView<const float> rows, Metric metric, const char* name);

/// Centred rows for Pearson, square roots for Hellinger; nothing for metrics that take rows as they are.
Matrix<float> prepared_for(Metric metric, MatrixView<const float> rows);

/// Squares what was rooted; centred rows stay centred.
void undo_preparation(Metric metric, float* row, int64_t dim);

}  // namespace pictrieve
