#include "pictrieve/rank/expansion.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>
#include <vector>

#include "pictrieve/base/error.h"
#include "pictrieve/base/linalg.h"
#include "pictrieve/rank/neighbourhood.h"

namespace pictrieve {
namespace {

/// Rows whose neighbours are held at a time.
constexpr int64_t kBlock = 1024;

void check(const Index& index, const ExpansionOptions& options) {
  require_cosine(index);
  require(options.neighbours >= 1, "n: expected at least 1, got ", options.neighbours);
  require(options.alpha >= 0 && std::isfinite(options.alpha), "alpha: expected a number from 0, got ", options.alpha);
}

/// `row`, of length 1, becomes the weighted sum with items.
void expand_row(const Index& index, std::span<const int64_t> ids, std::span<const float> cosines, float alpha,
                MatrixView<float> row) {
  const Matrix<float> items = index.reconstruct(ids);
  l2_normalize_rows(items);
  for (size_t i = 0; i < ids.size(); ++i) {
    if (!(cosines[i] > 0)) continue;
    const float weight = std::pow(cosines[i], alpha);
    const float* item = items.row(static_cast<int64_t>(i));
    for (int64_t j = 0; j < row.cols; ++j) row.data[j] += weight * item[j];
  }
  l2_normalize_rows(row);
}

/// Drops an item from its own neighbours, or the last of them where equal items crowded it out.
void drop_own(int64_t own, std::vector<int64_t>& ids, std::vector<float>& cosines) {
  if (ids.empty()) return;
  const auto found = std::find(ids.begin(), ids.end(), own);
  const auto place = found == ids.end() ? std::ssize(ids) - 1 : found - ids.begin();
  ids.erase(ids.begin() + place);
  cosines.erase(cosines.begin() + place);
}

/// Expands the rows, which have any length, in place. `own` names the item that each row is; empty for queries.
void expand_rows(const Index& index, MatrixView<float> rows, std::span<const int64_t> own,
                 const ExpansionOptions& options, const Filter& where, const Monitor& monitor) {
  SearchOptions search;
  search.where = where;
  const SearchResult found = index.search(rows, options.neighbours + (own.empty() ? 0 : 1), search, monitor);
  l2_normalize_rows(rows);
  const auto body = [&](int64_t begin, int64_t end, Worker worker) {
    for (int64_t i = begin; i < end && !worker.should_stop(); ++i) {
      const auto near = found.ids.view().row_span(i);
      const auto scores = found.scores.view().row_span(i);
      std::vector<int64_t> ids(near.begin(), near.end());
      std::vector<float> cosines(scores.begin(), scores.end());
      if (!own.empty()) drop_own(own[static_cast<size_t>(i)], ids, cosines);
      expand_row(index, ids, cosines, options.alpha, rows.slice(i, i + 1));
    }
  };
  parallel_for(rows.rows, 8, body, monitor);
}

}  // namespace

Matrix<float> expand_queries(const Index& index, MatrixView<const float> queries, const ExpansionOptions& options,
                             const Filter& where, const Monitor& monitor) {
  check(index, options);
  Matrix<float> rows(queries.rows, queries.cols);
  std::copy_n(queries.data, queries.size(), rows.data());
  for (int64_t begin = 0; begin == 0 || begin < rows.rows(); begin += kBlock)  // once for none: the search checks dim
    expand_rows(index, rows.view().slice(begin, std::min(begin + kBlock, rows.rows())), {}, options, where, monitor);
  return rows;
}

Matrix<float> augment_database(const Index& index, const ExpansionOptions& options, const Monitor& monitor) {
  check(index, options);
  const Matrix<int64_t> held = index.ids();
  const std::span<const int64_t> ids{held.data(), static_cast<size_t>(held.cols())};
  const Matrix<float> rows = index.reconstruct(ids);
  for (int64_t begin = 0; begin < rows.rows(); begin += kBlock) {
    const int64_t end = std::min(begin + kBlock, rows.rows());
    const auto own = ids.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
    expand_rows(index, rows.view().slice(begin, end), own, options, {}, monitor);
  }
  return rows;
}

}  // namespace pictrieve
