// Retrieval metrics of one query, in double, from the ranks of its relevant items.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace pictrieve {

/// What average precision at k is divided by.
enum class PrecisionDivisor {
  AllRelevant,   ///< trec_eval: R, all relevant items
  ReachableAtK,  ///< BEIR and sentence-transformers: min(k, R)
  HitsAtK,       ///< torchmetrics, Open Metric Learning: those found in the top k; 0 where none is
};

struct MetricOptions {
  PrecisionDivisor divisor = PrecisionDivisor::AllRelevant;
  std::span<const int64_t> ks;  ///< cut-offs, at least 1 each
  double relevant_gain = 0;     ///< items with a gain below this one count in nDCG alone
};

/// Columns that each cut-off has, and those that a query has once.
enum class CutMetric {
  AveragePrecision,
  Ndcg,
  Recall,
  Precision,
  Hit,
  ReciprocalRank,
  ReachablePrecision,  ///< hits / min(k, R)
  RevisitedPrecision,  ///< hits / min(k, rank of the last relevant item)
  RetrievedNdcg,       ///< nDCG whose ideal is the best order of the retrieved items only
  Hits,
  kCount
};
enum class WholeMetric {
  AveragePrecision,
  AveragePrecisionAtR,
  OxfordPrecision,
  RPrecision,
  ReciprocalRank,
  Ndcg,
  kCount
};

/// How many columns a query has.
int64_t metric_columns(const MetricOptions& options);

/// A ranking reduced to what the metrics see. It may be filled again: vectors keep their memory.
struct JudgedRanking {
  struct Hit {
    int64_t rank;  ///< from 0
    double gain;
  };
  std::vector<Hit> hits;            ///< items that are ranked and have a gain, best rank first
  std::vector<double> ideal_gains;  ///< of all items that have a gain, ranked or not; in any order
};

/// Writes the CutMetric columns for each k, then the WholeMetric columns; NaN everywhere where nothing is relevant.
/// Sorts the ideal gains.
void measure(JudgedRanking& judged, const MetricOptions& options, double* columns);

}  // namespace pictrieve
