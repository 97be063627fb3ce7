#include "pictrieve/rank/linear_model.h"

#include <cmath>

#include "pictrieve/base/error.h"
#include "pictrieve/base/linalg.h"
#include "pictrieve/rank/linear_solvers.h"

namespace pictrieve {

namespace {

using linear::Problem, linear::Solution, linear::Vector;

constexpr int64_t kMaxExamples = 8192;  // 512 MiB of inner products

double product(const float* a, const float* b, int64_t dim) {
  double sum = 0.0;
  for (int64_t i = 0; i < dim; ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

Matrix<double> gram_matrix(MatrixView<const float> rows, const Monitor& monitor) {
  Matrix<double> gram(rows.rows, rows.rows);
  const auto fill = [&](int64_t begin, int64_t end, const Worker& worker) {
    for (int64_t i = begin; i < end && !worker.should_stop(); ++i)
      for (int64_t j = 0; j <= i; ++j) gram.row(i)[j] = gram.row(j)[i] = product(rows.row(i), rows.row(j), rows.cols);
  };
  parallel_for(rows.rows, 16, fill, monitor);
  return gram;
}

void check(const LinearExamples& examples, const LinearOptions& options, std::span<const double> start) {
  const auto n = static_cast<size_t>(examples.rows.rows);
  require(examples.targets.size() == n && examples.weights.size() == n,
          "fit: expected a target and a weight for each of ", n, " rows, got ", examples.targets.size(), " and ",
          examples.weights.size());
  require(start.empty() || start.size() == n, "fit: expected ", n, " coefficients to start from, got ", start.size());
  require(examples.rows.rows <= kMaxExamples, "fit: expected at most ", kMaxExamples, " examples, got ", n);
  require(all_finite(examples.rows.data, examples.rows.size()), "fit: expected finite rows, got NaN or infinity");
  require(std::isfinite(options.l2) && options.l2 > 0, "l2: expected a number above 0, got ", options.l2);
  bool wanted = false, unwanted = false;
  for (size_t i = 0; i < n; ++i) {
    const double weight = examples.weights[i];
    require(std::abs(examples.targets[i]) == 1, "fit: expected targets of +1 and -1, got ", int{examples.targets[i]});
    require(std::isfinite(weight) && weight >= 0, "fit: expected weights from 0, got ", weight);
    (examples.targets[i] > 0 ? wanted : unwanted) |= weight > 0;
  }
  require(wanted && unwanted, "fit: expected examples of both kinds, relevant and irrelevant, with a weight above 0");
}

}  // namespace

LinearModel fit_linear(const LinearExamples& examples, const LinearOptions& options, const LinearStart& start,
                       const Monitor& monitor) {
  check(examples, options, start.coefficients);
  const Matrix<double> gram = gram_matrix(examples.rows, monitor);
  const Problem problem{gram, examples.targets, examples.weights, options, monitor};
  const Vector zeros(examples.targets.size(), 0.0);
  const std::span<const double> from = start.coefficients.empty() ? zeros : start.coefficients;
  const bool logistic = options.loss == LinearLoss::Logistic;
  Solution found = logistic ? linear::solve_logistic(problem, from, start.bias) : linear::solve_hinge(problem, from);
  LinearModel model{Vector(static_cast<size_t>(examples.rows.cols), 0.0),
                    found.bias,
                    std::move(found.coefficients),
                    found.objective,
                    found.rounds,
                    found.gap};
  for (int64_t i = 0; i < examples.rows.rows; ++i)
    for (size_t d = 0; d < model.direction.size(); ++d)
      model.direction[d] += model.coefficients[static_cast<size_t>(i)] * examples.rows.row(i)[d];
  return model;
}

}  // namespace pictrieve
