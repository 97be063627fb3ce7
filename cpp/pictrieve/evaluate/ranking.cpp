#include "pictrieve/evaluate/ranking.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "pictrieve/base/error.h"

namespace pictrieve {
namespace {

constexpr int64_t kQueriesPerPiece = 64;
constexpr auto kCutColumns = static_cast<int64_t>(CutMetric::kCount);
constexpr auto kWholeColumns = static_cast<int64_t>(WholeMetric::kCount);

/// One query, reduced to what the metrics see. Vectors are kept from query to query for their memory.
struct Judged {
  std::vector<double> gains;        ///< of each ranked item, 0 where it is not relevant
  std::vector<uint8_t> hits;        ///< 1 where the ranked item is relevant
  std::vector<double> ideal_gains;  ///< of all relevant items, largest first
  std::vector<int64_t> sorted;      ///< the ranking in rising order, to find repetitions

  int64_t relevant() const { return static_cast<int64_t>(ideal_gains.size()); }
  int64_t ranked() const { return static_cast<int64_t>(hits.size()); }
};

void require_distinct(std::span<const int64_t> ranked, int64_t query, std::vector<int64_t>& sorted) {
  sorted.assign(ranked.begin(), ranked.end());
  std::ranges::sort(sorted);
  const auto twin = std::ranges::adjacent_find(sorted);
  if (twin != sorted.end())
    require(false, "ranked_ids: query ", query, " names id ", *twin, " twice; each id may stand once in a ranking");
}

void judge(const RetrievalInput& input, int64_t query, Judged& judged) {
  const auto relevant = input.relevant.list(query);
  const auto first = static_cast<size_t>(input.relevant.offsets[static_cast<size_t>(query)]);
  const auto junk = input.junk.offsets.empty() ? std::span<const int64_t>() : input.junk.list(query);
  require_distinct(input.ranked.list(query), query, judged.sorted);
  for (const int64_t id : junk)
    require(!std::ranges::binary_search(relevant, id), "junk: query ", query, " has id ", id, " as relevant too");
  judged.gains.clear();
  judged.hits.clear();
  for (const int64_t id : input.ranked.list(query)) {
    if (std::ranges::binary_search(junk, id)) continue;
    const auto found = std::ranges::lower_bound(relevant, id);
    const bool hit = found != relevant.end() && *found == id;
    const auto place = first + static_cast<size_t>(found - relevant.begin());
    judged.hits.push_back(hit);
    judged.gains.push_back(!hit ? 0.0 : input.gains.empty() ? 1.0 : input.gains[place]);
  }
  judged.ideal_gains.assign(relevant.size(), 1.0);
  if (!input.gains.empty()) std::ranges::copy(input.gains.subspan(first, relevant.size()), judged.ideal_gains.begin());
  std::ranges::sort(judged.ideal_gains, std::greater<>());
}

/// Sum of precision at each hit of the top k, and how many hits there are.
struct Precision {
  double sum = 0;
  int64_t hits = 0;
};

Precision precision_at_hits(const Judged& judged, int64_t k) {
  Precision found;
  for (int64_t i = 0; i < std::min(k, judged.ranked()); ++i) {
    if (!judged.hits[static_cast<size_t>(i)]) continue;
    ++found.hits;
    found.sum += static_cast<double>(found.hits) / static_cast<double>(i + 1);
  }
  return found;
}

double average_precision(const Precision& found, int64_t k, int64_t relevant, PrecisionDivisor divisor) {
  int64_t count = relevant;
  if (divisor == PrecisionDivisor::ReachableAtK) count = std::min(k, relevant);
  if (divisor == PrecisionDivisor::HitsAtK) count = found.hits;
  return count == 0 ? 0.0 : found.sum / static_cast<double>(count);
}

/// Järvelin and Kekäläinen 2002 with the discount 1 / log2(rank + 1).
double discounted_gain(std::span<const double> gains, int64_t k) {
  double sum = 0;
  for (size_t i = 0; i < std::min(gains.size(), static_cast<size_t>(k)); ++i)
    sum += gains[i] / std::log2(static_cast<double>(i + 2));
  return sum;
}

double normalized_gain(const Judged& judged, int64_t k) {
  const double ideal = discounted_gain(judged.ideal_gains, k);
  return ideal == 0 ? 0.0 : discounted_gain(judged.gains, k) / ideal;
}

/// The trapezoid between hits, as the Oxford buildings benchmark has it (Philbin et al. 2007).
double oxford_precision(const Judged& judged) {
  double sum = 0;
  int64_t hits = 0;
  for (int64_t rank = 0; rank < judged.ranked(); ++rank) {
    if (!judged.hits[static_cast<size_t>(rank)]) continue;
    const double before = rank == 0 ? 1.0 : static_cast<double>(hits) / static_cast<double>(rank);
    const double after = static_cast<double>(++hits) / static_cast<double>(rank + 1);
    sum += (before + after) / 2;
  }
  return sum / static_cast<double>(judged.relevant());
}

double reciprocal_rank(const Judged& judged) {
  const auto first = std::ranges::find(judged.hits, 1);
  return first == judged.hits.end() ? 0.0 : 1.0 / static_cast<double>(first - judged.hits.begin() + 1);
}

void fill_cut(const Judged& judged, int64_t k, PrecisionDivisor divisor, double* columns) {
  const auto at = [columns](CutMetric metric) -> double& { return columns[static_cast<int>(metric)]; };
  const Precision found = precision_at_hits(judged, k);
  at(CutMetric::AveragePrecision) = average_precision(found, k, judged.relevant(), divisor);
  at(CutMetric::Ndcg) = normalized_gain(judged, k);
  at(CutMetric::Recall) = static_cast<double>(found.hits) / static_cast<double>(judged.relevant());
  at(CutMetric::Precision) = static_cast<double>(found.hits) / static_cast<double>(k);
  at(CutMetric::Hit) = found.hits > 0 ? 1.0 : 0.0;
}

void fill_whole(const Judged& judged, PrecisionDivisor divisor, double* columns) {
  const auto at = [columns](WholeMetric metric) -> double& { return columns[static_cast<int>(metric)]; };
  const int64_t relevant = judged.relevant();
  const int64_t everything = std::numeric_limits<int64_t>::max();
  const Precision all = precision_at_hits(judged, everything), at_r = precision_at_hits(judged, relevant);
  at(WholeMetric::AveragePrecision) = average_precision(all, everything, relevant, divisor);
  at(WholeMetric::AveragePrecisionAtR) = at_r.sum / static_cast<double>(relevant);
  at(WholeMetric::OxfordPrecision) = oxford_precision(judged);
  at(WholeMetric::RPrecision) = static_cast<double>(at_r.hits) / static_cast<double>(relevant);
  at(WholeMetric::ReciprocalRank) = reciprocal_rank(judged);
  at(WholeMetric::Ndcg) = normalized_gain(judged, everything);
}

void require_matching(const RetrievalInput& input, const RetrievalOptions& options) {
  const int64_t queries = input.ranked.size();
  require(input.relevant.size() == queries, "relevant: expected one set for each of ", queries, " queries, got ",
          input.relevant.size());
  require(input.junk.offsets.empty() || input.junk.size() == queries, "junk: expected one set for each of ", queries,
          " queries, got ", input.junk.size());
  require(input.gains.empty() || input.gains.size() == input.relevant.ids.size(), "gains: expected ",
          input.relevant.ids.size(), ", got ", input.gains.size());
  for (const int64_t k : options.ks) require(k > 0, "ks: expected at least 1, got ", k);
}

}  // namespace

Matrix<double> evaluate_rankings(const RetrievalInput& input, const RetrievalOptions& options, const Monitor& monitor) {
  require_matching(input, options);
  const auto cuts = static_cast<int64_t>(options.ks.size());
  Matrix<double> values(input.ranked.size(), cuts * kCutColumns + kWholeColumns);
  const auto body = [&](int64_t begin, int64_t end, Worker worker) {
    Judged judged;
    for (int64_t query = begin; query < end && !worker.should_stop(); ++query) {
      judge(input, query, judged);
      double* row = values.row(query);
      if (judged.relevant() == 0) {
        std::fill(row, row + values.cols(), std::numeric_limits<double>::quiet_NaN());
        continue;
      }
      for (int64_t i = 0; i < cuts; ++i)
        fill_cut(judged, options.ks[static_cast<size_t>(i)], options.divisor, row + i * kCutColumns);
      fill_whole(judged, options.divisor, row + cuts * kCutColumns);
    }
  };
  parallel_for(input.ranked.size(), kQueriesPerPiece, body, monitor);
  return values;
}

}  // namespace pictrieve
