// Retrieval metrics of one query and of many, in double.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "pictrieve/base/matrix.h"
#include "pictrieve/base/parallel.h"

namespace pictrieve {

/// Lists of ids of unequal length, one after another: list i is ids[offsets[i] .. offsets[i + 1]).
struct IdLists {
  std::span<const int64_t> ids;
  std::span<const int64_t> offsets;

  int64_t size() const { return static_cast<int64_t>(offsets.size()) - 1; }
  std::span<const int64_t> list(int64_t i) const {
    const auto at = static_cast<size_t>(i);
    return ids.subspan(static_cast<size_t>(offsets[at]), static_cast<size_t>(offsets[at + 1] - offsets[at]));
  }
};

/// What average precision at k is divided by.
enum class PrecisionDivisor {
  AllRelevant,   ///< trec_eval: R, all relevant items
  ReachableAtK,  ///< BEIR and sentence-transformers: min(k, R)
  HitsAtK,       ///< torchmetrics, Open Metric Learning: those found in the top k; 0 where none is
};

struct RetrievalInput {
  IdLists ranked;                 ///< best first, without repetition
  IdLists relevant;               ///< in rising order, without repetition
  std::span<const double> gains;  ///< one for each relevant id, not negative; empty: all are 1
  IdLists junk;                   ///< in rising order; taken out of the ranking before anything else; may have no lists
};

struct RetrievalOptions {
  PrecisionDivisor divisor = PrecisionDivisor::AllRelevant;
  std::span<const int64_t> ks;  ///< cut-offs, at least 1 each
};

/// Columns that each cut-off has, and those that a query has once.
enum class CutMetric { AveragePrecision, Ndcg, Recall, Precision, Hit, kCount };
enum class WholeMetric {
  AveragePrecision,
  AveragePrecisionAtR,
  OxfordPrecision,
  RPrecision,
  ReciprocalRank,
  Ndcg,
  kCount
};

/// One row for each query: CutMetric columns for each k, then the WholeMetric columns. A query without relevant ids has
/// a row of NaN. Throws std::invalid_argument where a ranking names an id twice.
Matrix<double> evaluate_rankings(const RetrievalInput& input, const RetrievalOptions& options,
                                 const Monitor& monitor = {});

}  // namespace pictrieve
