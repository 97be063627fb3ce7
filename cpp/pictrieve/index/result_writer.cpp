#include "pictrieve/index/result_writer.h"

#include <utility>

#include "pictrieve/base/error.h"

namespace pictrieve {
namespace {

template <typename T>
void require_shape(const MatrixView<T>& out, int64_t rows, int64_t cols) {
  require(out.rows == rows && out.cols == cols, "out: expected shape (", rows, ", ", cols,
          ") = (queries, min(k, matching items)), got (", out.rows, ", ", out.cols, ")");
}

}  // namespace

ResultWriter::ResultWriter(int64_t queries, int64_t length, const SearchOptions& options) {
  if (options.out_ids.data || options.out_scores.data) {
    require_shape(options.out_ids, queries, length);
    require_shape(options.out_scores, queries, length);
    ids_ = options.out_ids;
    scores_ = options.out_scores;
    return;
  }
  result_.ids = Matrix<int64_t>(queries, length);
  result_.scores = Matrix<float>(queries, length);
  ids_ = result_.ids;
  scores_ = result_.scores;
}

void ResultWriter::write(int64_t query, std::vector<Hit> hits) {
  if (is_ragged_) {
    ragged_[static_cast<size_t>(query)] = std::move(hits);
    return;
  }
  require<Error>(static_cast<int64_t>(hits.size()) == ids_.cols, "search: query ", query, " found ", hits.size(),
                 " of ", ids_.cols, " items; the index is damaged, call verify() or rebuild it");
  for (int64_t i = 0; i < ids_.cols; ++i) {
    ids_.row(query)[i] = hits[static_cast<size_t>(i)].id;
    scores_.row(query)[i] = hits[static_cast<size_t>(i)].score;
  }
}

SearchResult ResultWriter::finish() {
  if (!is_ragged_) return std::move(result_);
  result_.offsets.push_back(0);
  for (const auto& hits : ragged_)
    result_.offsets.push_back(result_.offsets.back() + static_cast<int64_t>(hits.size()));
  result_.ids = Matrix<int64_t>(1, result_.offsets.back());
  result_.scores = Matrix<float>(1, result_.offsets.back());
  int64_t i = 0;
  for (const auto& hits : ragged_) {
    for (const Hit& hit : hits) {
      result_.ids.data()[i] = hit.id;
      result_.scores.data()[i++] = hit.score;
    }
  }
  return std::move(result_);
}

}  // namespace pictrieve
