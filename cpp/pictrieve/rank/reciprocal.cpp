#include "pictrieve/rank/reciprocal.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>
#include <vector>

#include "pictrieve/base/error.h"
#include "pictrieve/rank/neighbourhood.h"

namespace pictrieve {
namespace {

using Places = std::vector<int32_t>;
using Encoding = std::vector<std::pair<int32_t, double>>;  ///< place and weight, each place once

bool contains(std::span<const int32_t> places, int32_t place) {
  return std::find(places.begin(), places.end(), place) != places.end();
}

/// The k-reciprocal nearest neighbours R(i, k): those among i's k nearest that have i among theirs; i itself too.
std::vector<Places> mutual_neighbours(const Matrix<int32_t>& nearest, int64_t k) {
  const auto count = static_cast<size_t>(std::min(k + 1, nearest.cols()));
  std::vector<Places> mutual(static_cast<size_t>(nearest.rows()));
  for (int64_t i = 0; i < nearest.rows(); ++i)
    for (const int32_t j : nearest.view().row_span(i).first(count))
      if (contains(nearest.view().row_span(j).first(count), static_cast<int32_t>(i)))
        mutual[static_cast<size_t>(i)].push_back(j);
  return mutual;
}

/// One query's neighbourhood, encoded.
class Encoder {
 public:
  Encoder(MatrixView<const float> cosines, const ReciprocalOptions& options)
      : cosines_(cosines),
        nearest_(nearest_places(cosines, std::max(options.k1, options.k2 - 1))),
        mutual_(mutual_neighbours(nearest_, options.k1)),
        mutual_half_(mutual_neighbours(nearest_, (options.k1 + 1) / 2)) {
    for (int32_t i = 0; i < cosines.rows; ++i) plain_.push_back(encode(i));
    averaged_ = static_cast<size_t>(std::min(options.k2, nearest_.cols()));
  }

  /// V of row i as a dense vector, averaged over its nearest (local query expansion).
  void expanded(int64_t i, std::vector<double>& dense) const {
    dense.assign(plain_.size(), 0.0);
    for (const int32_t j : nearest_.view().row_span(i).first(averaged_))
      for (const auto& [place, weight] : plain_[static_cast<size_t>(j)])
        dense[static_cast<size_t>(place)] += weight / static_cast<double>(averaged_);
  }

 private:
  /// R*(i): R(i, k1) and each R(j, k1 / 2) of its members that shares two thirds of itself with R(i, k1).
  Places expanded_neighbours(int32_t i) const {
    const Places& own = mutual_[static_cast<size_t>(i)];
    Places all = own;
    for (const int32_t j : own) {
      const Places& half = mutual_half_[static_cast<size_t>(j)];
      const auto shared = std::count_if(half.begin(), half.end(), [&](int32_t place) { return contains(own, place); });
      if (3 * shared < 2 * std::ssize(half)) continue;
      for (const int32_t place : half)
        if (!contains(all, place)) all.push_back(place);
    }
    return all;
  }

  Encoding encode(int32_t i) const {
    Encoding encoding;
    for (const int32_t j : expanded_neighbours(i))
      encoding.emplace_back(j, i == j ? 1.0 : std::exp(double{cosines_.row(i)[j]} - 1));
    return encoding;
  }

  MatrixView<const float> cosines_;
  Matrix<int32_t> nearest_;
  std::vector<Places> mutual_;
  std::vector<Places> mutual_half_;
  std::vector<Encoding> plain_;
  size_t averaged_ = 1;
};

/// Sum of the smaller weights over sum of the larger. Neither is empty: each encoding holds its own item.
double jaccard(const std::vector<double>& a, const std::vector<double>& b) {
  double smaller = 0, larger = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    smaller += std::min(a[i], b[i]);
    larger += std::max(a[i], b[i]);
  }
  return smaller / larger;
}

}  // namespace

SearchResult k_reciprocal(const Index& index, MatrixView<const float> queries, int64_t k,
                          const ReciprocalOptions& options, const Filter& where, const Monitor& monitor) {
  require(options.k1 >= 1, "k1: expected at least 1, got ", options.k1);
  require(options.k2 >= 1, "k2: expected at least 1, got ", options.k2);
  require(options.weight >= 0 && options.weight <= 1, "weight: expected 0 to 1, got ", options.weight);
  const auto score = [&](MatrixView<const float> cosines, std::span<double> scores) {
    const Encoder encoder(cosines, options);
    std::vector<double> query, item;
    encoder.expanded(0, query);
    for (size_t i = 0; i < scores.size(); ++i) {
      encoder.expanded(static_cast<int64_t>(i) + 1, item);
      scores[i] = (1 - options.weight) * jaccard(query, item) + options.weight * double{cosines.row(0)[i + 1]};
    }
  };
  return rerank_candidates(index, queries, k, options.candidates, where, score, monitor);
}

}  // namespace pictrieve
