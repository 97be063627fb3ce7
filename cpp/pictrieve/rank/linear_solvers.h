// What the solvers of linear_model.cpp share: they see the examples through their inner products alone.
#pragma once

#include <numeric>
#include <span>
#include <vector>

#include "pictrieve/base/matrix.h"
#include "pictrieve/rank/linear_model.h"

namespace pictrieve::linear {

using Vector = std::vector<double>;

struct Problem {
  const Matrix<double>& gram;
  std::span<const int8_t> targets;
  std::span<const double> weights;
  const LinearOptions& options;
  const Monitor& monitor;

  int64_t size() const { return gram.rows(); }
  double target(int64_t i) const { return targets[static_cast<size_t>(i)]; }
  double weight(int64_t i) const { return weights[static_cast<size_t>(i)]; }
  void heartbeat(int round) const {
    if (monitor && round % 64 == 0) monitor(round, options.max_rounds);
  }
};

struct Solution {
  Vector coefficients;
  double bias = 0.0;
  double objective = 0.0;
  int rounds = 0;
  double gap = 0.0;
};

/// values_i = sum of gram_ij * coefficient_j.
inline Vector scores_of(const Matrix<double>& gram, const Vector& coefficients) {
  Vector values(coefficients.size(), 0.0);
  for (size_t j = 0; j < values.size(); ++j) {
    if (coefficients[j] == 0.0) continue;
    const double* row = gram.row(static_cast<int64_t>(j));
    for (size_t i = 0; i < values.size(); ++i) values[i] += row[i] * coefficients[j];
  }
  return values;
}

/// From `start`, one coefficient for each example.
Solution solve_logistic(const Problem& problem, std::span<const double> start, double bias);
Solution solve_hinge(const Problem& problem, std::span<const double> start);

}  // namespace pictrieve::linear
