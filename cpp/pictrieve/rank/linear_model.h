// A linear classifier from few examples in many dimensions: solved exactly in the span of the examples.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "pictrieve/base/matrix.h"
#include "pictrieve/base/parallel.h"

namespace pictrieve {

/// What is minimised: l2 / 2 |w|^2 + sum of weight_i * loss(target_i * (w.x_i + bias)).
enum class LinearLoss {
  Logistic,      ///< log(1 + exp(-m)); the bias is not penalised (as scikit-learn's LogisticRegression)
  Hinge,         ///< max(0, 1 - m); the bias is penalised like a weight (as LIBLINEAR and LinearSVC)
  SquaredHinge,  ///< max(0, 1 - m)^2; the bias likewise
};

struct LinearExamples {
  MatrixView<const float> rows;
  std::span<const int8_t> targets;  ///< +1 or -1, one for each row
  std::span<const double> weights;  ///< from 0: how much each counts
};

struct LinearOptions {
  LinearLoss loss = LinearLoss::Logistic;
  double l2 = 1.0;
  double tolerance = 1e-9;  ///< of the objective: relative distance to the minimum
  int max_rounds = 100000;
  uint64_t seed = 0;  ///< order in which the hinge solvers visit the examples; does not change the minimum
};

/// Where a fit begins: an earlier model of the same rows, with 0 for new ones. Without coefficients: from zero.
struct LinearStart {
  std::span<const double> coefficients = {};
  double bias = 0.0;  ///< hinge losses ignore it: theirs follows from the coefficients
};

struct LinearModel {
  std::vector<double> direction;  ///< w
  double bias = 0.0;
  std::vector<double> coefficients;  ///< w = sum of coefficient_i * x_i
  double objective = 0.0;
  int rounds = 0;    ///< Newton steps or passes over the examples; fewer from a warm start
  double gap = 0.0;  ///< hinge losses: the objective is at most this far above its minimum (the duality gap)
};

/// Newton's method for logistic loss, dual coordinate descent (Hsieh et al., ICML 2008) for hinge losses, both on the
/// Gram matrix in double: memory and time grow with the square of the number of examples, at most 8192, and dimensions
/// count once. After max_rounds the best so far is given. Throws std::invalid_argument unless both targets are present
/// with weight.
LinearModel fit_linear(const LinearExamples& examples, const LinearOptions& options, const LinearStart& start = {},
                       const Monitor& monitor = {});

}  // namespace pictrieve
