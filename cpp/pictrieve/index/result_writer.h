// Collects the hits of all queries into the shape that the caller gets.
#pragma once

#include <vector>

#include "pictrieve/index/index.h"

namespace pictrieve {

struct Hit {
  float score;
  int64_t id;
};

/// Best first, ties by id.
inline bool before(const Hit& a, const Hit& b) { return a.score != b.score ? a.score > b.score : a.id < b.id; }

/// Rows of equal length go straight to their place; ragged ones are joined at the end. Threads may write different
/// queries at the same time.
class ResultWriter {
 public:
  /// Each query has `length` hits, written into the caller's arrays where the options name some.
  ResultWriter(int64_t queries, int64_t length, const SearchOptions& options);
  /// Queries have as many hits as they have.
  explicit ResultWriter(int64_t queries) : ragged_(static_cast<size_t>(queries)), is_ragged_(true) {}

  void write(int64_t query, std::vector<Hit> hits);
  SearchResult finish();

 private:
  SearchResult result_;
  MatrixView<int64_t> ids_;
  MatrixView<float> scores_;
  std::vector<std::vector<Hit>> ragged_;
  bool is_ragged_ = false;
};

}  // namespace pictrieve
