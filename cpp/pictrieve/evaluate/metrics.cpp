#include "pictrieve/evaluate/metrics.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

namespace pictrieve {
namespace {

constexpr auto kCutColumns = static_cast<int64_t>(CutMetric::kCount);
constexpr auto kWholeColumns = static_cast<int64_t>(WholeMetric::kCount);
constexpr int64_t kEverything = std::numeric_limits<int64_t>::max();

double ratio(int64_t a, int64_t b) { return b == 0 ? 0.0 : static_cast<double>(a) / static_cast<double>(b); }

/// Järvelin and Kekäläinen 2002: the discount of a rank from 0.
double discount(int64_t rank) { return std::log2(static_cast<double>(rank + 2)); }

/// One query with the counts that several metrics share.
class Measured {
 public:
  Measured(const JudgedRanking& judged, const MetricOptions& options) : judged_(judged), options_(options) {
    for (const auto& hit : judged.hits)
      if (hit.gain >= options.relevant_gain) ranks_.push_back(hit.rank);
    for (const double gain : judged.ideal_gains) relevant_ += gain >= options.relevant_gain;
  }

  int64_t relevant() const { return relevant_; }

  void fill_cut(int64_t k, double* columns) const {
    const auto at = [columns](CutMetric metric) -> double& { return columns[static_cast<int>(metric)]; };
    const int64_t hits = hits_at(k);
    const int64_t last = ranks_.empty() ? 0 : ranks_.back() + 1;
    at(CutMetric::AveragePrecision) = average_precision(k);
    at(CutMetric::Ndcg) = normalized_gain(k);
    at(CutMetric::Recall) = ratio(hits, relevant_);
    at(CutMetric::Precision) = ratio(hits, k);
    at(CutMetric::Hit) = hits > 0 ? 1.0 : 0.0;
    at(CutMetric::ReciprocalRank) = hits > 0 ? ratio(1, ranks_.front() + 1) : 0.0;
    at(CutMetric::ReachablePrecision) = ratio(hits, std::min(k, relevant_));
    at(CutMetric::RevisitedPrecision) = ratio(hits, std::min(k, last));
    at(CutMetric::RetrievedNdcg) = retrieved_gain(k);
    at(CutMetric::Hits) = static_cast<double>(hits);
  }

  void fill_whole(double* columns) const {
    const auto at = [columns](WholeMetric metric) -> double& { return columns[static_cast<int>(metric)]; };
    at(WholeMetric::AveragePrecision) = average_precision(kEverything);
    at(WholeMetric::AveragePrecisionAtR) = precision_sum(relevant_) / static_cast<double>(relevant_);
    at(WholeMetric::OxfordPrecision) = oxford_precision();
    at(WholeMetric::RPrecision) = ratio(hits_at(relevant_), relevant_);
    at(WholeMetric::ReciprocalRank) = ranks_.empty() ? 0.0 : ratio(1, ranks_.front() + 1);
    at(WholeMetric::Ndcg) = normalized_gain(kEverything);
  }

 private:
  int64_t hits_at(int64_t k) const { return std::ranges::lower_bound(ranks_, k) - ranks_.begin(); }

  /// Sum of the precision at each hit of the top k.
  double precision_sum(int64_t k) const {
    double sum = 0;
    const int64_t hits = hits_at(k);
    for (int64_t i = 0; i < hits; ++i) sum += ratio(i + 1, ranks_[static_cast<size_t>(i)] + 1);
    return sum;
  }

  double average_precision(int64_t k) const {
    int64_t count = relevant_;
    if (options_.divisor == PrecisionDivisor::ReachableAtK) count = std::min(k, relevant_);
    if (options_.divisor == PrecisionDivisor::HitsAtK) count = hits_at(k);
    return count == 0 ? 0.0 : precision_sum(k) / static_cast<double>(count);
  }

  /// The trapezoid between hits, as the Oxford buildings benchmark has it (Philbin et al. 2007).
  double oxford_precision() const {
    double sum = 0;
    for (size_t i = 0; i < ranks_.size(); ++i) {
      const auto hits = static_cast<int64_t>(i);
      const double before = ranks_[i] == 0 ? 1.0 : ratio(hits, ranks_[i]);
      sum += (before + ratio(hits + 1, ranks_[i] + 1)) / 2;
    }
    return sum / static_cast<double>(relevant_);
  }

  double gain_at(int64_t k) const {
    double sum = 0;
    for (const auto& hit : judged_.hits) {
      if (hit.rank >= k) break;
      sum += hit.gain / discount(hit.rank);
    }
    return sum;
  }

  static double ideal_gain(std::span<const double> gains, int64_t k) {
    double sum = 0;
    const auto count = std::min(k, static_cast<int64_t>(gains.size()));
    for (int64_t i = 0; i < count; ++i) sum += gains[static_cast<size_t>(i)] / discount(i);
    return sum;
  }

  double normalized_gain(int64_t k) const {
    const double ideal = ideal_gain(judged_.ideal_gains, k);
    return ideal == 0 ? 0.0 : gain_at(k) / ideal;
  }

  double retrieved_gain(int64_t k) const {
    std::vector<double> gains;
    for (const auto& hit : judged_.hits)
      if (hit.rank < k) gains.push_back(hit.gain);
    std::ranges::sort(gains, std::greater<>());
    const double ideal = ideal_gain(gains, k);
    return ideal == 0 ? 0.0 : gain_at(k) / ideal;
  }

  const JudgedRanking& judged_;
  const MetricOptions& options_;
  std::vector<int64_t> ranks_;  ///< of relevant items, rising
  int64_t relevant_ = 0;
};

}  // namespace

int64_t metric_columns(const MetricOptions& options) {
  return static_cast<int64_t>(options.ks.size()) * kCutColumns + kWholeColumns;
}

void measure(JudgedRanking& judged, const MetricOptions& options, double* columns) {
  std::ranges::sort(judged.ideal_gains, std::greater<>());
  const Measured measured(judged, options);
  if (measured.relevant() == 0) {
    std::fill_n(columns, metric_columns(options), std::numeric_limits<double>::quiet_NaN());
    return;
  }
  for (const int64_t k : options.ks) {
    measured.fill_cut(k, columns);
    columns += kCutColumns;
  }
  measured.fill_whole(columns);
}

}  // namespace pictrieve
