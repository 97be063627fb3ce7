#include "pictrieve/rank/feedback.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "pictrieve/base/error.h"
#include "pictrieve/base/linalg.h"

namespace pictrieve {
namespace {

constexpr double kLeastKept = 0.5;  // of the wanted part, along its own direction

using Vector = std::vector<double>;

double inner(const Vector& a, const Vector& b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); }

void add_mean(Vector& sum, MatrixView<const float> rows, double weight, const char* name) {
  if (rows.rows == 0) return;
  require(rows.cols == static_cast<int64_t>(sum.size()), name, ": expected vectors of ", sum.size(), " numbers, got ",
          rows.cols);
  require(all_finite(rows.data, rows.size()), name, ": expected finite vectors, got NaN or infinity");
  for (int64_t i = 0; i < rows.rows; ++i)
    for (size_t d = 0; d < sum.size(); ++d) sum[d] += weight / static_cast<double>(rows.rows) * rows.row(i)[d];
}

void check(const RocchioWeights& weights) {
  for (const double weight : {weights.query, weights.relevant, weights.irrelevant})
    require(std::isfinite(weight) && weight >= 0, "rocchio: expected weights from 0, got ", weight);
}

}  // namespace

std::vector<float> rocchio(std::span<const float> query, MatrixView<const float> relevant,
                           MatrixView<const float> irrelevant, const RocchioWeights& weights) {
  check(weights);
  const size_t dim = query.empty() ? static_cast<size_t>(relevant.cols) : query.size();
  Vector wanted(dim, 0.0), unwanted(dim, 0.0);
  if (!query.empty()) add_mean(wanted, {query.data(), 1, static_cast<int64_t>(dim)}, weights.query, "query");
  add_mean(wanted, relevant, weights.relevant, "relevant");
  add_mean(unwanted, irrelevant, weights.irrelevant, "irrelevant");
  const double square = inner(wanted, wanted);
  require(square > 0, "query: nothing is wanted; expected a query or a relevant vector that is not all zero");
  const double opposed = inner(wanted, unwanted);
  const double share = opposed > kLeastKept * square ? kLeastKept * square / opposed : 1.0;
  for (size_t d = 0; d < dim; ++d) wanted[d] -= share * unwanted[d];
  const double length = std::sqrt(inner(wanted, wanted));
  std::vector<float> result(dim);
  std::transform(wanted.begin(), wanted.end(), result.begin(), [length](double x) { return float(x / length); });
  return result;
}

std::vector<Question> choose_questions(MatrixView<const float> rows, std::span<const float> scores, float boundary,
                                       int64_t pool, int64_t count) {
  require(static_cast<int64_t>(scores.size()) == rows.rows, "questions: expected a score for each of ", rows.rows,
          " rows, got ", scores.size());
  std::vector<int64_t> near(scores.size());
  std::iota(near.begin(), near.end(), int64_t{0});
  const auto doubt = [&](int64_t i) { return std::abs(scores[static_cast<size_t>(i)] - boundary); };
  std::stable_sort(near.begin(), near.end(), [&](int64_t a, int64_t b) { return doubt(a) < doubt(b); });
  near.resize(std::min(near.size(), static_cast<size_t>(std::max(pool, count))));
  std::vector<float> similarity(near.size(), -1.0F);  // to the nearest of the chosen
  std::vector<Question> chosen;
  while (static_cast<int64_t>(chosen.size()) < count && !near.empty()) {
    const auto at = std::min_element(similarity.begin(), similarity.end()) - similarity.begin();
    const int64_t row = near[static_cast<size_t>(at)];
    chosen.push_back({row, chosen.empty() ? 0.0F : similarity[static_cast<size_t>(at)]});
    near.erase(near.begin() + at);
    similarity.erase(similarity.begin() + at);
    for (size_t i = 0; i < near.size(); ++i)
      similarity[i] = std::max(similarity[i], dot(rows.row(near[i]), rows.row(row), rows.cols));
  }
  return chosen;
}

}  // namespace pictrieve
