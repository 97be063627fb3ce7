#include "pictrieve/rank/neighbourhood.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "pictrieve/base/error.h"
#include "pictrieve/base/linalg.h"

namespace pictrieve {
namespace {

/// Cosines among the query and the items of `ids`.
Matrix<float> all_cosines(const Index& index, std::span<const float> query, std::span<const int64_t> ids) {
  const Matrix<float> items = index.reconstruct(ids);
  const Matrix<float> rows(items.rows() + 1, static_cast<int64_t>(query.size()));
  std::copy(query.begin(), query.end(), rows.row(0));
  std::copy_n(items.data(), items.view().size(), rows.row(1));
  l2_normalize_rows(rows);
  const Matrix<float> cosines(rows.rows(), rows.rows());
  for (int64_t i = 0; i < rows.rows(); ++i)
    for (int64_t j = 0; j <= i; ++j) cosines.row(i)[j] = cosines.row(j)[i] = dot(rows.row(i), rows.row(j), rows.cols());
  return cosines;
}

}  // namespace

void require_cosine(const Index& index) {
  const std::string metric = index.info().metric;
  require(metric == "cosine", "index: expected metric 'cosine', got '", metric,
          "'; pass the vectors themselves, or an index made with metric='cosine'");
}

SearchResult rerank_candidates(const Index& index, MatrixView<const float> queries, int64_t k, int64_t candidates,
                               const Filter& where, const ScoreCandidates& score, const Monitor& monitor) {
  require_cosine(index);
  require(k >= 1, "k: expected at least 1, got ", k);
  require(candidates >= 1, "candidates: expected at least 1, got ", candidates);
  SearchOptions search;
  search.where = where;
  const SearchResult found = index.search(queries, std::max(k, candidates), search, monitor);
  const int64_t kept = std::min(k, found.ids.cols());
  SearchResult result{Matrix<int64_t>(queries.rows, kept), Matrix<float>(queries.rows, kept), {}};
  const auto body = [&](int64_t begin, int64_t end, Worker worker) {
    for (int64_t i = begin; i < end && !worker.should_stop(); ++i) {
      const auto ids = found.ids.view().row_span(i);
      std::vector<double> scores(ids.size());
      score(all_cosines(index, queries.row_span(i), ids), scores);
      std::vector<size_t> order(ids.size());
      std::iota(order.begin(), order.end(), size_t{0});
      std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a] > scores[b]; });
      for (int64_t j = 0; j < kept; ++j) {
        const size_t place = order[static_cast<size_t>(j)];
        result.ids.row(i)[j] = ids[place];
        result.scores.row(i)[j] = static_cast<float>(scores[place]);
      }
    }
  };
  parallel_for(queries.rows, 1, body, monitor);
  return result;
}

Matrix<int32_t> nearest_places(MatrixView<const float> cosines, int64_t count) {
  const int64_t n = cosines.rows;
  const Matrix<int32_t> places(n, std::min(count, n - 1) + 1);
  std::vector<int32_t> others(static_cast<size_t>(n - 1));
  for (int64_t i = 0; i < n; ++i) {
    std::iota(others.begin(), others.begin() + i, 0);
    std::iota(others.begin() + i, others.end(), static_cast<int32_t>(i) + 1);
    const float* row = cosines.row(i);
    const auto nearer = [row](int32_t a, int32_t b) { return row[a] > row[b] || (row[a] == row[b] && a < b); };
    std::partial_sort(others.begin(), others.begin() + places.cols() - 1, others.end(), nearer);
    places.row(i)[0] = static_cast<int32_t>(i);
    std::copy_n(others.begin(), places.cols() - 1, places.row(i) + 1);
  }
  return places;
}

}  // namespace pictrieve
