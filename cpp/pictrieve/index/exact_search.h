// Comparing queries with every row that may match.
#pragma once

#include <functional>
#include <limits>
#include <vector>

#include "pictrieve/base/parallel.h"
#include "pictrieve/index/candidates.h"
#include "pictrieve/index/result_writer.h"
#include "pictrieve/index/selection.h"
#include "pictrieve/index/vector_store.h"

namespace pictrieve {

/// What of a query's candidates becomes its result.
struct Wanted {
  int64_t count = 0;                                          ///< at most so many
  float min_score = -std::numeric_limits<float>::infinity();  ///< and none below this
};

/// Scores candidates exactly and gives the best in order. Their number is not limited by that of the result.
std::vector<Hit> hits_from(const VectorStore& store, const Query& query, const std::vector<Candidate>& candidates,
                           Wanted wanted);

/// The monitor, or none for work of a few milliseconds: whoever tells one cannot work, so a thread has to start.
const Monitor& if_long(const Monitor& monitor, double multiply_adds);

/// Writes the hits of each query. The result is that of scoring every matching row: the faster keys that choose
/// candidates are followed by exact scores, with a margin for their error. Large batches run through BLAS.
void exact_search(const VectorStore& store, Selection& selection, const std::vector<Query>& queries, Wanted wanted,
                  ResultWriter& writer, const Monitor& monitor);

}  // namespace pictrieve
