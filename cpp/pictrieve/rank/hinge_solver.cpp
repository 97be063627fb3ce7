#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <utility>

#include "pictrieve/base/error.h"
#include "pictrieve/rank/linear_solvers.h"

namespace pictrieve::linear {
namespace {

/// Dual coordinate descent (Hsieh et al., ICML 2008), until the duality gap bounds the distance to the minimum. With
/// weights C_i / l2 the problem is theirs; the bias is a coordinate of 1 in every row.
class HingeSolver {
 public:
  HingeSolver(const Problem& problem, std::span<const double> start)
      : problem_(problem), squared_(problem.options.loss == LinearLoss::SquaredHinge), alphas_(start.size()) {
    Vector coefficients(start.size());
    for (size_t i = 0; i < alphas_.size(); ++i) {
      const auto at = static_cast<int64_t>(i);
      alphas_[i] = std::clamp(start[i] * problem.target(at), 0.0, limit(at));
      coefficients[i] = alphas_[i] * problem.target(at);
    }
    scores_ = scores_of(problem.gram, coefficients);
    bias_ = std::accumulate(coefficients.begin(), coefficients.end(), 0.0);
    for (double& score : scores_) score += bias_;
  }

  Solution run() {
    std::mt19937_64 random(problem_.options.seed);
    std::vector<int64_t> order(alphas_.size());
    std::iota(order.begin(), order.end(), int64_t{0});
    for (int round = 1;; ++round) {
      problem_.heartbeat(round);
      for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random() % i]);
      for (const int64_t i : order) visit(i);
      const auto [primal, dual] = bounds();
      const double gap = primal - dual;
      const bool done = gap <= problem_.options.tolerance * std::max(primal, 1e-12);
      if (done || round >= problem_.options.max_rounds) return solution(primal, round, gap);
    }
  }

 private:
  double cost(int64_t i) const { return problem_.weight(i) / problem_.options.l2; }
  double limit(int64_t i) const { return squared_ && cost(i) > 0 ? std::numeric_limits<double>::infinity() : cost(i); }
  double diagonal(int64_t i) const { return squared_ ? 0.5 / cost(i) : 0.0; }

  /// The exact minimum along one coordinate.
  void visit(int64_t i) {
    if (cost(i) == 0.0) return;
    double& alpha = alphas_[static_cast<size_t>(i)];
    const double gradient = problem_.target(i) * scores_[static_cast<size_t>(i)] - 1.0 + diagonal(i) * alpha;
    const double curvature = problem_.gram.row(i)[i] + 1.0 + diagonal(i);
    const double moved = std::clamp(alpha - gradient / curvature, 0.0, limit(i));
    const double change = (moved - alpha) * problem_.target(i);
    if (change == 0.0) return;
    alpha = moved;
    bias_ += change;
    const double* row = problem_.gram.row(i);
    for (size_t j = 0; j < scores_.size(); ++j) scores_[j] += change * (row[j] + 1.0);
  }

  /// The objective divided by l2, and a lower bound of it.
  std::pair<double, double> bounds() const {
    double half_square = 0.0, losses = 0.0, dual = 0.0;
    for (size_t i = 0; i < alphas_.size(); ++i) {
      const auto at = static_cast<int64_t>(i);
      if (cost(at) == 0.0) continue;
      const double slack = std::max(0.0, 1.0 - problem_.target(at) * scores_[i]);
      half_square += 0.5 * alphas_[i] * problem_.target(at) * scores_[i];
      losses += cost(at) * (squared_ ? slack * slack : slack);
      dual += alphas_[i] - 0.5 * diagonal(at) * alphas_[i] * alphas_[i];
    }
    return {half_square + losses, dual - half_square};
  }

  Solution solution(double primal, int round, double gap) const {
    Solution found{alphas_, bias_, primal * problem_.options.l2, round, gap * problem_.options.l2};
    for (size_t i = 0; i < alphas_.size(); ++i) found.coefficients[i] *= problem_.target(static_cast<int64_t>(i));
    return found;
  }

  const Problem& problem_;
  bool squared_;
  Vector alphas_;
  Vector scores_;
  double bias_ = 0.0;
};

}  // namespace

Solution solve_hinge(const Problem& problem, std::span<const double> start) {
  return HingeSolver(problem, start).run();
}

}  // namespace pictrieve::linear
