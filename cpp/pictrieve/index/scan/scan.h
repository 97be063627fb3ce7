// Private: comparing queries with every row that may match.
#pragma once

#include <functional>
#include <limits>
#include <vector>

#include "pictrieve/base/parallel.h"
#include "pictrieve/index/rows/rows.h"
#include "pictrieve/index/scan/candidates.h"
#include "pictrieve/index/selection.h"

namespace pictrieve {

/// Which candidates a scan is to find.
struct Wanted {
  int64_t count = 0;                                        ///< at most so many, ties aside
  float min_key = -std::numeric_limits<float>::infinity();  ///< and none below this
};

/// Gets the candidates of one query, on the thread that found them.
using TakeCandidates = std::function<void(const Query&, const std::vector<Candidate>&)>;

/// The monitor, or none for work of a few milliseconds: whoever tells one cannot work, so a thread has to start.
const Monitor& if_long(const Monitor& monitor, double multiply_adds);

/// Gives each query every row that could be among the best `count` once keys are replaced by exact scores: keys are
/// taken with a margin for their error. Large batches run through BLAS where the metric comes from products.
void scan(const Rows& rows, int64_t dim, Selection& selection, const std::vector<Query>& queries, Wanted wanted,
          const TakeCandidates& take, const Monitor& monitor);

}  // namespace pictrieve
