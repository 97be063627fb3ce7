// Metrics of rankings that someone else made, given as lists of ids.
#pragma once

#include <span>

#include "pictrieve/base/matrix.h"
#include "pictrieve/base/parallel.h"
#include "pictrieve/evaluate/id_lists.h"
#include "pictrieve/evaluate/metrics.h"

namespace pictrieve {

struct RetrievalInput {
  IdLists ranked;                 ///< best first, without repetition
  IdLists relevant;               ///< in rising order, without repetition
  std::span<const double> gains;  ///< one for each relevant id, not negative; empty: all are 1
  IdLists junk;                   ///< in rising order; taken out of the ranking before anything else; may have no lists
};

/// One row for each query, as `measure` writes it. A query without relevant ids has a row of NaN. Throws
/// std::invalid_argument where a ranking names an id twice.
Matrix<double> evaluate_rankings(const RetrievalInput& input, const MetricOptions& options,
                                 const Monitor& monitor = {});

}  // namespace pictrieve
