#include "pictrieve/rank/profile.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <tuple>
#include <utility>

#include "pictrieve/base/error.h"
#include "pictrieve/base/linalg.h"

namespace pictrieve {
namespace {

constexpr int kStarts = 10;
constexpr int kMaxRounds = 100;

struct Points {
  MatrixView<const float> rows;
  std::span<const double> weights;

  double weight(int64_t i) const { return weights[static_cast<size_t>(i)]; }
};

/// From 0 to 1, the same on every platform (std::uniform_real_distribution is not).
double draw(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1.0p-53; }

/// One row as the first centre, then rows by their weighted distance from the centres so far (Arthur & Vassilvitskii
/// 2007). Stops where every row lies on a centre.
Matrix<float> seed_centres(const Points& points, int64_t count, std::mt19937_64& random) {
  const auto [rows, weights] = points;
  std::vector<double> chance(weights.begin(), weights.end());
  Matrix<float> centres(count, rows.cols);
  int64_t made = 0;
  for (; made < count; ++made) {
    double left = draw(random) * std::accumulate(chance.begin(), chance.end(), 0.0);
    if (left <= 0.0 && made > 0) break;
    size_t at = 0;
    while (at + 1 < chance.size() && left >= chance[at]) left -= chance[at++];
    const float* row = rows.row(static_cast<int64_t>(at));
    std::copy_n(row, rows.cols, centres.row(made));
    for (int64_t i = 0; i < rows.rows; ++i) {
      const double distance = std::max(0.0, 1.0 - dot(rows.row(i), row, rows.cols));
      double& value = chance[static_cast<size_t>(i)];
      value = std::min(made == 0 ? std::numeric_limits<double>::max() : value,
                       distance < 1e-6 ? 0.0 : points.weight(i) * distance);
    }
  }
  Matrix<float> found(made, rows.cols);
  std::copy_n(centres.data(), made * rows.cols, found.data());
  return found;
}

/// Gives every row to its nearest centre; true where any changed.
bool assign(const Points& points, SphericalClusters& clusters) {
  bool changed = false;
  double sum = 0.0;
  for (int64_t i = 0; i < points.rows.rows; ++i) {
    int64_t best = 0;
    float similarity = -std::numeric_limits<float>::infinity();
    for (int64_t c = 0; c < clusters.centres.rows(); ++c) {
      const float value = dot(points.rows.row(i), clusters.centres.row(c), points.rows.cols);
      if (value > similarity) std::tie(similarity, best) = std::pair(value, c);
    }
    sum += points.weight(i) * similarity;
    changed |= std::exchange(clusters.labels[static_cast<size_t>(i)], best) != best;
  }
  clusters.similarity = sum / std::accumulate(points.weights.begin(), points.weights.end(), 0.0);
  return changed;
}

/// Moves centres to the weighted means; one that lost all its rows, or whose rows cancel out, stays where it is.
void move_centres(const Points& points, SphericalClusters& clusters) {
  const int64_t dim = points.rows.cols;
  Matrix<float> means(clusters.centres.rows(), dim);
  std::fill_n(means.data(), means.rows() * dim, 0.0F);
  for (int64_t i = 0; i < points.rows.rows; ++i) {
    float* mean = means.row(clusters.labels[static_cast<size_t>(i)]);
    for (int64_t d = 0; d < dim; ++d) mean[d] += static_cast<float>(points.weight(i)) * points.rows.row(i)[d];
  }
  for (int64_t c = 0; c < means.rows(); ++c)
    if (dot(means.row(c), means.row(c), dim) == 0.0F) std::copy_n(clusters.centres.row(c), dim, means.row(c));
  l2_normalize_rows(means);
  clusters.centres = means;
}

SphericalClusters cluster_once(const Points& points, int64_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  SphericalClusters clusters{seed_centres(points, count, random),
                             std::vector<int64_t>(static_cast<size_t>(points.rows.rows), -1)};
  for (int round = 0; round < kMaxRounds && assign(points, clusters); ++round) move_centres(points, clusters);
  return clusters;
}

}  // namespace

SphericalClusters spherical_kmeans(MatrixView<const float> rows, std::span<const double> weights, int64_t count,
                                   uint64_t seed, const Monitor& monitor) {
  require(rows.rows > 0 && static_cast<int64_t>(weights.size()) == rows.rows,
          "clusters: expected at least one row and a weight for each, got ", rows.rows, " and ", weights.size());
  require(count >= 1, "clusters: expected at least 1, got ", count);
  for (const double weight : weights)
    require(std::isfinite(weight) && weight > 0, "clusters: expected weights above 0, got ", weight);
  std::vector<SphericalClusters> starts(kStarts);
  const auto body = [&](int64_t begin, int64_t end, const Worker&) {
    for (int64_t i = begin; i < end; ++i)
      starts[static_cast<size_t>(i)] = cluster_once({rows, weights}, count, seed + static_cast<uint64_t>(i));
  };
  parallel_for(kStarts, 1, body, monitor);
  return *std::max_element(starts.begin(), starts.end(),
                           [](const auto& a, const auto& b) { return a.similarity < b.similarity; });
}

double silhouette(MatrixView<const float> rows, std::span<const double> weights, std::span<const int64_t> labels) {
  const int64_t count = *std::max_element(labels.begin(), labels.end()) + 1;
  double sum = 0.0;
  for (int64_t i = 0; i < rows.rows; ++i) {
    std::vector<double> distance(static_cast<size_t>(count), 0.0), mass(distance);
    for (int64_t j = 0; j < rows.rows; ++j) {
      if (i == j) continue;
      const auto cluster = static_cast<size_t>(labels[static_cast<size_t>(j)]);
      mass[cluster] += weights[static_cast<size_t>(j)];
      distance[cluster] += weights[static_cast<size_t>(j)] * (1.0 - dot(rows.row(i), rows.row(j), rows.cols));
    }
    const auto own = static_cast<size_t>(labels[static_cast<size_t>(i)]);
    double nearest = std::numeric_limits<double>::infinity();
    for (size_t c = 0; c < mass.size(); ++c)
      if (c != own && mass[c] > 0) nearest = std::min(nearest, distance[c] / mass[c]);
    if (mass[own] == 0 || !std::isfinite(nearest)) continue;
    const double inside = distance[own] / mass[own];
    const double larger = std::max({inside, nearest, 1e-12});
    sum += weights[static_cast<size_t>(i)] * (nearest - inside) / larger;
  }
  return sum / std::accumulate(weights.begin(), weights.end(), 0.0);
}

}  // namespace pictrieve
