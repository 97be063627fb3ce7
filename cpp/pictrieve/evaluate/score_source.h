// Scores of every query with every item, made piece by piece: the matrix of all never exists.
#pragma once

#include <cstdint>
#include <memory>

#include "pictrieve/base/matrix.h"
#include "pictrieve/index/distance/metric.h"

namespace pictrieve {

/// Larger is better. Safe to read from several threads.
class ScoreSource {
 public:
  virtual ~ScoreSource() = default;
  virtual int64_t queries() const = 0;
  virtual int64_t items() const = 0;

  /// Fast scores of queries [begin, end) with `count` items from `first` on, row after row. They may differ from the
  /// exact ones by tolerance(query).
  virtual void fill(int64_t begin, int64_t end, int64_t first, int64_t count, float* out) const = 0;
  virtual float tolerance(int64_t query) const = 0;

  /// The scores of some items that ranks are made by. A pair's score depends on its two rows only: equal rows tie.
  virtual void exact(int64_t query, const int32_t* items, int64_t count, float* out) const = 0;
};

/// Scores of rows by a metric; cosine and inner product as they are, distances negated, L2 squared. The rows must
/// outlive the source. Throws naming the row that the metric cannot compare.
std::unique_ptr<ScoreSource> score_source(MatrixView<const float> queries, MatrixView<const float> gallery,
                                          Metric metric);

/// Rows of packed bits, by Hamming or Jaccard.
std::unique_ptr<ScoreSource> score_source(MatrixView<const uint8_t> queries, MatrixView<const uint8_t> gallery,
                                          Metric metric);

/// Scores that were computed elsewhere: queries x items. Throws where one is NaN.
std::unique_ptr<ScoreSource> score_source(MatrixView<const float> scores);

}  // namespace pictrieve
