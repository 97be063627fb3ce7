#include <algorithm>
#include <cmath>
#include <numeric>

#include "pictrieve/base/error.h"
#include "pictrieve/rank/linear_solvers.h"

namespace pictrieve::linear {
namespace {

double inner(const Vector& a, const Vector& b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); }

/// log(1 + exp(-margin)) without overflow.
double logistic_loss(double margin) { return std::max(-margin, 0.0) + std::log1p(std::exp(-std::abs(margin))); }

/// In place, lower triangle; the matrix is positive definite, since every eigenvalue is at least l2.
void cholesky(Matrix<double>& matrix) {
  const int64_t n = matrix.rows();
  for (int64_t i = 0; i < n; ++i) {
    double* a = matrix.row(i);
    for (int64_t j = 0; j <= i; ++j) {
      const double* b = matrix.row(j);
      const double rest = a[j] - std::inner_product(a, a + j, b, 0.0);
      a[j] = i == j ? std::sqrt(rest) : rest / b[j];
    }
  }
}

void solve(const Matrix<double>& lower, Vector& x) {
  const int64_t n = lower.rows();
  for (int64_t i = 0; i < n; ++i) {
    const double* row = lower.row(i);
    const auto at = static_cast<size_t>(i);
    x[at] = (x[at] - std::inner_product(row, row + i, x.begin(), 0.0)) / row[i];
  }
  for (int64_t i = n - 1; i >= 0; --i) {
    const auto at = static_cast<size_t>(i);
    x[at] /= lower.row(i)[i];
    for (size_t j = 0; j < at; ++j) x[j] -= lower.row(i)[j] * x[at];
  }
}

/// Newton's method in the span of the examples (Rasmussen & Williams 2006, section 3.4, here with a free bias). With
/// S the roots of the curvatures, a step solves (l2 I + S K S) u + bias S 1 = S z under 1'S u = 0, coefficients = S u.
class LogisticSolver {
 public:
  LogisticSolver(const Problem& problem, std::span<const double> start, double bias) : problem_(problem) {
    now_.bias = bias;
    now_.coefficients.assign(start.begin(), start.end());
    scores_ = scores_of(problem.gram, now_.coefficients);
    now_.objective = objective(now_.coefficients, scores_, bias);
  }

  Solution run() {
    while (now_.rounds < problem_.options.max_rounds) {
      problem_.heartbeat(++now_.rounds);
      if (!improve()) break;
    }
    return now_;
  }

 private:
  double objective(const Vector& coefficients, const Vector& scores, double bias) const {
    double sum = 0.5 * problem_.options.l2 * inner(coefficients, scores);
    for (int64_t i = 0; i < problem_.size(); ++i)
      sum += problem_.weight(i) * logistic_loss(problem_.target(i) * (scores[static_cast<size_t>(i)] + bias));
    return sum;
  }

  /// Goes to the minimum of the quadratic model, or half as far until the objective falls. False: it is at its minimum.
  bool improve() {
    const Solution next = newton_point();
    const Vector next_scores = scores_of(problem_.gram, next.coefficients);
    for (double step = 1.0; step > 1e-6; step /= 2) {
      const auto between = [step](double a, double b) { return a + step * (b - a); };
      Vector coefficients(now_.coefficients.size()), scores(scores_.size());
      for (size_t i = 0; i < scores.size(); ++i) {
        coefficients[i] = between(now_.coefficients[i], next.coefficients[i]);
        scores[i] = between(scores_[i], next_scores[i]);
      }
      const double bias = between(now_.bias, next.bias);
      const double value = objective(coefficients, scores, bias);
      if (!(value < now_.objective)) continue;
      const double gain = now_.objective - value;
      now_ = {std::move(coefficients), bias, value, now_.rounds};
      scores_ = std::move(scores);
      // Newton's method converges quadratically: a full step that gains this little is the last that matters.
      return step < 1.0 || gain > 1e-3 * problem_.options.tolerance * value;
    }
    return false;
  }

  Solution newton_point() const {
    const int64_t n = problem_.size();
    Vector root(static_cast<size_t>(n)), right(static_cast<size_t>(n));
    for (size_t i = 0; i < root.size(); ++i) {
      const auto at = static_cast<int64_t>(i);
      const double score = scores_[i] + now_.bias, target = problem_.target(at);
      const double wrong = 1.0 / (1.0 + std::exp(target * score));
      root[i] = std::sqrt(std::max(problem_.weight(at) * wrong * (1.0 - wrong), 1e-30));
      right[i] = root[i] * score + problem_.weight(at) * target * wrong / root[i];
    }
    Matrix<double> system(n, n);
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j <= i; ++j)
        system.row(i)[j] = root[static_cast<size_t>(i)] * root[static_cast<size_t>(j)] * problem_.gram.row(i)[j] +
                           (i == j ? problem_.options.l2 : 0.0);
    cholesky(system);
    Vector ones = root;
    solve(system, ones);
    Solution next{std::move(right)};
    solve(system, next.coefficients);
    next.bias = inner(root, next.coefficients) / inner(root, ones);
    for (size_t i = 0; i < root.size(); ++i)
      next.coefficients[i] = root[i] * (next.coefficients[i] - next.bias * ones[i]);
    return next;
  }

  const Problem& problem_;
  Solution now_;
  Vector scores_;
};

}  // namespace

Solution solve_logistic(const Problem& problem, std::span<const double> start, double bias) {
  return LogisticSolver(problem, start, bias).run();
}

}  // namespace pictrieve::linear
