// Keys and scores. A key is quick and orders candidates (larger is better); a score is what users see.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>

#include "pictrieve/base/linalg.h"
#include "pictrieve/index/kernels.h"
#include "pictrieve/index/metric.h"

namespace pictrieve {

/// Rows whose squared length is not above this have finite products and distances with each other.
inline constexpr float kMaxSquaredLength = std::numeric_limits<float>::max() / 8;

/// 1 / length; 0 for a row of zeros (and what is as good as zero), whose cosine with anything is then 0.
inline float inverse_length(float squared_length) {
  return squared_length >= std::numeric_limits<float>::min() ? 1.0F / std::sqrt(squared_length) : 0.0F;
}

/// A vector to compare with, and what is known of it.
struct Query {
  const float* values = nullptr;
  float squared = 0;   ///< squared length
  float inverse = 0;   ///< 1 / length, or 0
  int64_t number = 0;  ///< place in its batch
};

/// Compares queries with the rows of an index. Keys: the cosine, the inner product, minus the squared distance.
/// A graph that is walked over quantised rows needs another class with these three functions and no other change.
struct Scorer {
  Metric metric = Metric::Cosine;
  int64_t dim = 0;
  const float* base = nullptr;     ///< rows as they were added
  const float* squared = nullptr;  ///< squared length of each
  const float* inverse = nullptr;  ///< 1 / length of each, or 0

  Query row(int64_t i) const { return {base + i * dim, squared[i], inverse[i], i}; }

  void keys(const Query& query, std::span<const int32_t> rows, float* out) const {
    const RowList list{base, dim, rows.data(), 0, static_cast<int64_t>(rows.size())};
    if (metric == Metric::L2) {
      squared_distances(query.values, list, out);
      for (size_t i = 0; i < rows.size(); ++i) out[i] = -out[i];
      return;
    }
    dots(query.values, list, out);
    if (metric == Metric::Cosine)
      for (size_t i = 0; i < rows.size(); ++i) out[i] *= inverse[rows[i]] * query.inverse;
  }

  /// Keys of `count` rows that lie one after another.
  void keys_of_block(const Query& query, int64_t first, int64_t count, float* out) const {
    const RowList list{base, dim, nullptr, first, count};
    if (metric == Metric::L2) {
      squared_distances(query.values, list, out);
      for (int64_t i = 0; i < count; ++i) out[i] = -out[i];
      return;
    }
    dots(query.values, list, out);
    if (metric == Metric::Cosine) scale_keys(out, count, inverse + first, query.inverse);
  }

  /// Note [exact scores]: both lengths and the product come from one routine, so that for equal vectors all three are
  /// the same float s. In double, s * s is exact and its root is s: their cosine is exactly 1, without snapping.
  /// The stored squared length does not serve here: a machine with other vectors, summing in another order, may have
  /// written it.
  float score(const Query& query, int64_t i) const {
    if (metric == Metric::L2) {
      float distance = 0;
      squared_distances(query.values, {base, dim, nullptr, i, 1}, &distance);
      return 0.0F - std::sqrt(distance);
    }
    const float* row = base + i * dim;
    const float product = dot(query.values, row, dim);
    if (metric == Metric::InnerProduct) return product;
    const float row_squared = dot(row, row, dim);
    if (query.inverse == 0 || inverse_length(row_squared) == 0) return 0;
    const double cosine = product / std::sqrt(double{query.squared} * row_squared);
    return static_cast<float>(std::clamp(cosine, -1.0, 1.0));  // rounding alone goes past 1
  }
};

}  // namespace pictrieve
