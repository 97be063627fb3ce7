// Metrics of embeddings: every query is compared with the whole gallery, and each relevant item's rank is exact.
#pragma once

#include <span>
#include <vector>

#include "pictrieve/base/matrix.h"
#include "pictrieve/base/parallel.h"
#include "pictrieve/evaluate/ahead_counter.h"
#include "pictrieve/evaluate/id_lists.h"
#include "pictrieve/evaluate/metrics.h"
#include "pictrieve/evaluate/score_source.h"

namespace pictrieve {

/// Lists of gallery rows that are relevant to queries: those of one class, say, once for all its queries.
struct RelevanceLevel {
  IdLists items;                  ///< in rising order, without repetition
  std::span<const double> gains;  ///< above 0, one for each of items.ids; empty: `gain` for all
  double gain = 1;
  std::span<const int64_t> list_of_query;  ///< for each query the number of its list; -1: none
};

struct ExhaustiveInput {
  std::vector<RelevanceLevel> levels;  ///< an item that is in several has the gain of the first
  IdLists junk;                ///< gallery rows that a query does not see, relevant or not, rising; may have no lists
  bool leave_one_out = false;  ///< query i is row i of the gallery, and does not see it
  TieRule ties = TieRule::LowestId;
  int64_t max_memory = int64_t{1} << 30;  ///< bytes for all threads together, beside the rows
};

/// One row for each query, as `measure` writes it. It does not depend on the number of threads or the memory. Throws
/// where max_memory is too small for one query.
Matrix<double> evaluate_all(const ScoreSource& source, const ExhaustiveInput& input, const MetricOptions& options,
                            const Monitor& monitor = {});

}  // namespace pictrieve
