#include "pictrieve/rank/diffusion.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "pictrieve/base/error.h"
#include "pictrieve/rank/neighbourhood.h"

namespace pictrieve {
namespace {

using Vector = std::vector<double>;

/// Where conjugate gradients stop, relative to the length of y.
constexpr double kTolerance = 1e-6;

/// The exponent 3 of Iscen et al. makes weak links weaker.
double affinity(float cosine) { return cosine > 0 ? std::pow(double{cosine}, 3) : 0.0; }

double product(const Vector& a, const Vector& b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); }

/// S = D^-1/2 W D^-1/2 of the candidates' mutual-neighbour graph; a node without neighbours has a row of zeros.
class Graph {
 public:
  Graph(MatrixView<const float> cosines, int64_t neighbours) : links_(static_cast<size_t>(cosines.rows - 1)) {
    const Matrix<int32_t> nearest = nearest_items(cosines, neighbours);
    Vector degrees(links_.size());
    for (int64_t i = 0; i < nearest.rows(); ++i)
      for (const int32_t j : nearest.view().row_span(i).subspan(1)) {
        const auto back = nearest.view().row_span(j);
        if (std::find(back.begin(), back.end(), static_cast<int32_t>(i)) == back.end()) continue;
        const double weight = affinity(cosines.row(i + 1)[j + 1]);
        if (weight == 0) continue;
        links_[static_cast<size_t>(i)].emplace_back(j, weight);
        degrees[static_cast<size_t>(i)] += weight;
      }
    for (size_t i = 0; i < links_.size(); ++i)
      for (auto& [j, weight] : links_[i]) weight /= std::sqrt(degrees[i] * degrees[static_cast<size_t>(j)]);
  }

  /// out = (I - alpha S) x
  void apply(double alpha, const Vector& x, Vector& out) const {
    for (size_t i = 0; i < links_.size(); ++i) {
      double sum = 0;
      for (const auto& [j, weight] : links_[i]) sum += weight * x[static_cast<size_t>(j)];
      out[i] = x[i] - alpha * sum;
    }
  }

 private:
  /// Nearest among the items alone: the query is no node.
  static Matrix<int32_t> nearest_items(MatrixView<const float> cosines, int64_t neighbours) {
    const Matrix<float> items(cosines.rows - 1, cosines.rows - 1);
    for (int64_t i = 0; i < items.rows(); ++i) std::copy_n(cosines.row(i + 1) + 1, items.cols(), items.row(i));
    return nearest_places(items, neighbours);
  }

  std::vector<std::vector<std::pair<int32_t, double>>> links_;
};

/// Solves (I - alpha S) f = y by conjugate gradients from f = 0 on.
Vector solve(const Graph& graph, const Vector& y, double alpha, int iterations) {
  Vector f(y.size()), residual = y, direction = y, applied(y.size());
  double squared = product(residual, residual);
  const double enough = squared * kTolerance * kTolerance;
  for (int step = 0; step < iterations && squared > enough; ++step) {
    graph.apply(alpha, direction, applied);
    const double length = squared / product(direction, applied);
    for (size_t i = 0; i < f.size(); ++i) {
      f[i] += length * direction[i];
      residual[i] -= length * applied[i];
    }
    const double before = std::exchange(squared, product(residual, residual));
    for (size_t i = 0; i < f.size(); ++i) direction[i] = residual[i] + squared / before * direction[i];
  }
  return f;
}

}  // namespace

SearchResult diffusion(const Index& index, MatrixView<const float> queries, int64_t k, const DiffusionOptions& options,
                       const Filter& where, const Monitor& monitor) {
  require(options.neighbours >= 1, "neighbours: expected at least 1, got ", options.neighbours);
  require(options.alpha >= 0 && options.alpha < 1, "alpha: expected 0 to below 1, got ", options.alpha);
  require(options.iterations >= 1, "iterations: expected at least 1, got ", options.iterations);
  const auto score = [&](MatrixView<const float> cosines, std::span<double> scores) {
    if (scores.empty()) return;
    Vector y(scores.size());
    const size_t linked = std::min(scores.size(), static_cast<size_t>(options.neighbours));
    for (size_t i = 0; i < linked; ++i) y[i] = affinity(cosines.row(0)[i + 1]);
    const Vector f = solve(Graph(cosines, options.neighbours), y, options.alpha, options.iterations);
    std::transform(f.begin(), f.end(), scores.begin(), [&](double value) { return (1 - options.alpha) * value; });
  };
  return rerank_candidates(index, queries, k, options.candidates, where, score, monitor);
}

}  // namespace pictrieve
