#include "pictrieve/index/preparation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "pictrieve/base/error.h"
#include "pictrieve/base/parallel.h"
#include "pictrieve/index/rows/lengths.h"

namespace pictrieve {

void require_comparable(MatrixView<const float> rows, Metric metric, const char* name) {
  checked_squared_lengths(rows, name);
  if (!is_histogram(metric)) return;
  for (int64_t i = 0; i < rows.rows; ++i)
    require(std::all_of(rows.row(i), rows.row(i) + rows.cols, [](float value) { return value >= 0; }), name,
            ": metric ", name_of(metric), " compares histograms, expected numbers of at least 0, got one below in row ",
            i);
}

Matrix<float> prepared_for(Metric metric, MatrixView<const float> rows) {
  if (metric != Metric::Pearson && metric != Metric::Hellinger) return {};
  Matrix<float> prepared(rows.rows, rows.cols);
  parallel_for(rows.rows, 1024, [&](int64_t begin, int64_t end, Worker) {
    for (int64_t i = begin; i < end; ++i) {
      const float* from = rows.row(i);
      float* to = prepared.row(i);
      if (metric == Metric::Hellinger) {
        std::transform(from, from + rows.cols, to, [](float value) { return std::sqrt(value); });
        continue;
      }
      const double mean = std::accumulate(from, from + rows.cols, 0.0) / static_cast<double>(rows.cols);
      std::transform(from, from + rows.cols, to, [mean](float value) { return static_cast<float>(value - mean); });
    }
  });
  return prepared;
}

void undo_preparation(Metric metric, float* row, int64_t dim) {
  if (metric == Metric::Hellinger) std::transform(row, row + dim, row, [](float value) { return value * value; });
}

}  // namespace pictrieve
