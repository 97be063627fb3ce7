#include "pictrieve/rank/feedback.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "pictrieve/base/linalg.h"
#include "pictrieve/rank/linear_model.h"
#include "pictrieve/rank/profile.h"

namespace pictrieve {
namespace {

MatrixView<const float> view(const std::vector<float>& values, int64_t dim) {
  return {values.data(), static_cast<int64_t>(values.size()) / dim, dim};
}

std::vector<float> random_units(int64_t rows, int64_t dim, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(rows * dim));
  for (float& value : values) value = normal(random);
  l2_normalize_rows({values.data(), rows, dim});
  return values;
}

TEST(Rocchio, AddsMeansAndNeverFlips) {
  const std::vector<float> query{1, 0}, relevant{0, 1, 0, 3}, opposite{-1, 0}, none;
  const auto turned = rocchio(query, view(relevant, 2), view(none, 2), {1, 0.5, 0.15});
  EXPECT_FLOAT_EQ(turned[0], 1 / std::sqrt(2.0F));
  EXPECT_FLOAT_EQ(turned[1], 1 / std::sqrt(2.0F));
  const auto same = rocchio(query, view(none, 2), view(query, 2), {1, 1, 100});
  EXPECT_FLOAT_EQ(same[0], 1.0F);  // half of the query is left however heavy the negative
  const auto plain = rocchio(query, view(none, 2), view(opposite, 2), {1, 1, 1});
  EXPECT_FLOAT_EQ(plain[0], 1.0F);
  EXPECT_THROW(rocchio({}, view(none, 2), view(opposite, 2), {}), std::invalid_argument);
  EXPECT_THROW(rocchio(query, view(none, 2), view(opposite, 2), {1, 1, -1}), std::invalid_argument);
  const std::vector<float> bad{std::numeric_limits<float>::quiet_NaN(), 0};
  EXPECT_THROW(rocchio(query, view(bad, 2), view(none, 2), {}), std::invalid_argument);
}

class LinearFit : public testing::TestWithParam<LinearLoss> {
 protected:
  static constexpr int64_t kRows = 40, kDim = 25;
  std::vector<float> rows_ = random_units(kRows, kDim, 1);
  std::vector<double> weights_ = std::vector<double>(kRows, 0.7);
  std::vector<int8_t> targets_ = std::vector<int8_t>(kRows, 1);
  void SetUp() override {
    for (size_t i = 0; i < targets_.size(); i += 3) targets_[i] = -1;
  }
  LinearExamples examples() const { return {view(rows_, kDim), targets_, weights_}; }

  double objective(const std::vector<double>& w, double bias, double l2) const {
    double sum = 0.5 * l2 * std::inner_product(w.begin(), w.end(), w.begin(), 0.0);
    if (GetParam() != LinearLoss::Logistic) sum += 0.5 * l2 * bias * bias;
    for (size_t i = 0; i < targets_.size(); ++i) {
      double margin = bias;
      for (size_t d = 0; d < w.size(); ++d) margin += w[d] * rows_[i * kDim + d];
      margin *= targets_[i];
      const double slack = std::max(0.0, 1 - margin);
      const double loss = GetParam() == LinearLoss::Logistic ? std::log1p(std::exp(-margin))
                          : GetParam() == LinearLoss::Hinge  ? slack
                                                             : slack * slack;
      sum += weights_[i] * loss;
    }
    return sum;
  }
};

TEST_P(LinearFit, NothingNearbyIsLower) {
  const LinearModel model = fit_linear(examples(), {GetParam(), 0.05});
  EXPECT_NEAR(model.objective, objective(model.direction, model.bias, 0.05), 1e-9);
  for (const double step : {-1e-2, 1e-2}) {
    EXPECT_GT(objective(model.direction, model.bias + step, 0.05), model.objective);
    for (size_t d = 0; d < model.direction.size(); ++d) {
      auto moved = model.direction;
      moved[d] += step;
      EXPECT_GT(objective(moved, model.bias, 0.05), model.objective);
    }
  }
}

TEST_P(LinearFit, AWarmStartGetsThereSooner) {
  const LinearOptions options{GetParam(), 0.05};
  const LinearModel cold = fit_linear(examples(), options);
  const LinearModel warm = fit_linear(examples(), options, {cold.coefficients, cold.bias});
  EXPECT_LT(warm.rounds, cold.rounds);
  EXPECT_NEAR(warm.objective, cold.objective, 1e-6);
}

TEST_P(LinearFit, WeightZeroIsAbsence) {
  weights_[5] = 0;
  const LinearModel with = fit_linear(examples(), {GetParam(), 0.05});
  EXPECT_NEAR(with.coefficients[5], 0.0, 1e-12);
  for (size_t i = 0; i < weights_.size(); ++i) weights_[i] = targets_[i] > 0 ? 0.0 : 1.0;
  EXPECT_THROW(fit_linear(examples(), {GetParam(), 0.05}), std::invalid_argument);
  EXPECT_THROW(fit_linear(examples(), {GetParam(), 0.0}), std::invalid_argument);
}

INSTANTIATE_TEST_SUITE_P(Losses, LinearFit,
                         testing::Values(LinearLoss::Logistic, LinearLoss::Hinge, LinearLoss::SquaredHinge));

TEST(Questions, AreNearTheBoundaryAndApart) {
  const std::vector<float> rows{1, 0, 1, 0, 0, 1, -1, 0};
  const std::vector<float> scores{0.50F, 0.51F, 0.45F, 0.9F};
  const auto chosen = choose_questions(view(rows, 2), scores, 0.5F, 3, 2);
  ASSERT_EQ(chosen.size(), 2U);
  EXPECT_EQ(chosen[0].row, 0);
  EXPECT_EQ(chosen[1].row, 2);  // not 1, the same vector again, nor 3, far from the boundary
  EXPECT_FLOAT_EQ(chosen[1].similarity, 0.0F);
  EXPECT_EQ(choose_questions(view(rows, 2), scores, 0.5F, 1, 9).size(), 4U);
}

TEST(Interests, TwoGroupsAreFoundAndTold) {
  std::vector<float> rows;
  for (int i = 0; i < 10; ++i) rows.insert(rows.end(), {1, 0.1F * float(i % 3), 0, 0});
  for (int i = 0; i < 5; ++i) rows.insert(rows.end(), {0, 0, 1, 0.1F * float(i % 3)});
  l2_normalize_rows({rows.data(), 15, 4});
  const std::vector<double> weights(15, 1.0);
  const auto two = spherical_kmeans(view(rows, 4), weights, 2, 7);
  for (size_t i = 0; i < 15; ++i) EXPECT_EQ(two.labels[i], two.labels[i < 10 ? 0 : 10]);
  EXPECT_NE(two.labels[0], two.labels[10]);
  EXPECT_GT(silhouette(view(rows, 4), weights, two.labels), 0.95);
  EXPECT_EQ(spherical_kmeans(view(rows, 4), weights, 2, 7).labels, two.labels);
  const std::vector<float> alike{1, 0, 1, 0, 1, 0};
  EXPECT_EQ(spherical_kmeans(view(alike, 2), std::vector<double>(3, 1.0), 3, 0).centres.rows(), 1);
}

}  // namespace
}  // namespace pictrieve
