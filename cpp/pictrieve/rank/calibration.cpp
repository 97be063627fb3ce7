#include "pictrieve/rank/calibration.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "pictrieve/base/error.h"

namespace pictrieve {
namespace {

constexpr int64_t kScoresPerPiece = 64;

/// log of the probability that a normal number stays below z, exact far out on both sides.
double log_below(double z) {
  const double above = std::erfc(z / std::numbers::sqrt2) / 2;
  if (z > -1) return std::log1p(-above);
  return std::log(std::erfc(-z / std::numbers::sqrt2) / 2);
}

double confidence_of(const NullModel& model, double items, double score) {
  const double value = model.fisher ? std::atanh(std::clamp(score, -1.0, 1.0)) : score;
  double sum = 0;
  for (size_t i = 0; i < model.means.size(); ++i) {
    const double gap = value - model.means[i];
    if (model.deviations[i] > 0)
      sum += std::exp(items * log_below(gap / model.deviations[i]));
    else
      sum += gap > 0 ? 1 : 0;  // all random items score the mean
  }
  return std::min(1.0, sum / static_cast<double>(model.means.size()));
}

}  // namespace

Matrix<double> confidences(const NullModel& model, int64_t items, std::span<const double> scores,
                           const Monitor& monitor) {
  require(!model.means.empty() && model.means.size() == model.deviations.size(),
          "calibration: expected as many deviations as means, at least one, got ", model.deviations.size(), " and ",
          model.means.size());
  require(items > 0, "items: expected at least 1, got ", items);
  for (const double score : scores) require(!std::isnan(score), "scores: expected numbers, got NaN");
  Matrix<double> result(1, static_cast<int64_t>(scores.size()));
  const auto body = [&](int64_t begin, int64_t end, Worker worker) {
    for (int64_t i = begin; i < end && !worker.should_stop(); ++i)
      result.data()[i] = confidence_of(model, static_cast<double>(items), scores[static_cast<size_t>(i)]);
  };
  parallel_for(result.cols(), kScoresPerPiece, body, monitor);
  return result;
}

}  // namespace pictrieve
