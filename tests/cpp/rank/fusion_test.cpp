#include "pictrieve/rank/fusion.h"

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>

#include "pictrieve/rank/calibration.h"
#include "pictrieve/rank/diversity.h"

namespace pictrieve {
namespace {

struct Channel {
  std::vector<int64_t> ids;
  std::vector<float> scores;
  std::vector<int64_t> offsets;

  operator ChannelRankings() const { return {ids, scores, offsets}; }
};

std::vector<int64_t> ids_of(const FusedRankings& fused) {
  return {fused.ids.data(), fused.ids.data() + fused.ids.cols()};
}

const Channel kImage{{7, 3, 5}, {0.9F, 0.6F, 0.3F}, {0, 3}};
const Channel kText{{3, 9}, {12, 4}, {0, 2}};
const std::vector<ChannelRankings> kBoth{kImage, kText};

TEST(Fusion, AddsReciprocalRanks) {
  const auto fused = fuse_rankings(kBoth, {.k = 3, .weights = {1, 1}});
  EXPECT_EQ(ids_of(fused), (std::vector<int64_t>{3, 7, 9}));
  EXPECT_FLOAT_EQ(fused.scores.data()[0], 1.0F / 62 + 1.0F / 61);
  EXPECT_FLOAT_EQ(fused.scores.data()[1], 1.0F / 61);
  EXPECT_EQ(fused.contributions.row(1)[1], 0.0F);  // the text channel did not find 7
  EXPECT_EQ(fused.offsets, (std::vector<int64_t>{0, 3}));
}

TEST(Fusion, GivesAnAbsentItemTheWorstValueSeen) {
  const FusionOptions options{.k = 9, .value = ChannelValue::ZScore, .weights = {0.5, 0.5}};
  const auto fused = fuse_rankings(kBoth, options);
  const float deviation = std::sqrt(0.06F);
  EXPECT_EQ(ids_of(fused), (std::vector<int64_t>{3, 7, 5, 9}));  // 5 and 9 tie: both are last wherever they are
  EXPECT_NEAR(fused.contributions.row(1)[0], 0.5F * 0.3F / deviation, 1e-6F);
  EXPECT_FLOAT_EQ(fused.contributions.row(1)[1], -0.5F);
  EXPECT_FLOAT_EQ(fused.scores.data()[0], 0.5F);
}

TEST(Fusion, TakesAConstantChannelAsSayingNothing) {
  const Channel constant{{1, 2}, {5, 5}, {0, 2}};
  const Channel empty{{}, {}, {0, 0}};
  const std::vector<ChannelRankings> channels{constant, empty};
  for (const auto value : {ChannelValue::ZScore, ChannelValue::MinMax}) {
    const auto fused = fuse_rankings(channels, {.value = value, .weights = {1, 1}});
    EXPECT_EQ(ids_of(fused), (std::vector<int64_t>{1, 2}));
    EXPECT_EQ(fused.scores.data()[0], 0.0F);
  }
}

TEST(Fusion, RefusesWhatCannotBeMeant) {
  const Channel twice{{1, 1}, {2, 1}, {0, 2}}, two_queries{{1, 2}, {2, 1}, {0, 1, 2}};
  const std::vector<ChannelRankings> repeated{twice}, unequal{kImage, two_queries};
  EXPECT_THROW(fuse_rankings(repeated, {.weights = {1}}), std::invalid_argument);
  EXPECT_THROW(fuse_rankings(unequal, {.weights = {1, 1}}), std::invalid_argument);
  EXPECT_THROW(fuse_rankings(kBoth, {.k = 0, .weights = {1, 1}}), std::invalid_argument);
  EXPECT_THROW(fuse_rankings(kBoth, {.weights = {1, -1}}), std::invalid_argument);
  EXPECT_THROW(fuse_rankings(kBoth, {.weights = {1}}), std::invalid_argument);
  EXPECT_THROW(fuse_rankings({}, {}), std::invalid_argument);
}

// Two twins and one apart: the second choice is the one apart once difference counts enough.
struct Scene {
  std::vector<float> values{1, 0, 1, 0, 0, 1};
  std::vector<int64_t> ids{20, 10, 30}, rows{0, 1, 2}, offsets{0, 3};
  std::vector<float> relevance{0.9F, 0.9F, 0.5F};

  std::vector<int64_t> chosen(double diversity, int64_t k, const std::string& metric = "cosine") const {
    const Candidates candidates{ids, relevance, rows, offsets, {}};
    const auto result = diversify(candidates, {values.data(), 3, 2}, {k, diversity, metric});
    std::vector<int64_t> found;
    for (int64_t i = 0; i < result.places.cols(); ++i)
      found.push_back(ids[static_cast<size_t>(result.places.data()[i])]);
    return found;
  }
};

TEST(Diversity, PrefersTheUnlikeAsItWeighsMore) {
  const Scene scene;
  EXPECT_EQ(scene.chosen(0, 9), (std::vector<int64_t>{10, 20, 30}));  // by relevance, the tie by id
  EXPECT_EQ(scene.chosen(0.5, 2), (std::vector<int64_t>{10, 30}));
  EXPECT_EQ(scene.chosen(0.5, 2, "l2"), (std::vector<int64_t>{10, 30}));
  EXPECT_EQ(scene.chosen(0.1, 2), (std::vector<int64_t>{10, 20}));
}

TEST(Diversity, RefusesWhatCannotBeMeant) {
  const Scene scene;
  EXPECT_THROW(scene.chosen(1.5, 2), std::invalid_argument);
  EXPECT_THROW(scene.chosen(0.5, 0), std::invalid_argument);
  EXPECT_THROW(scene.chosen(0.5, 2, "l1"), std::invalid_argument);
}

TEST(Calibration, IsTheDistributionOfTheBestOfManyNormals) {
  const std::vector<double> means{0, 0.2}, deviations{0.1, 0.1}, scores{0.1, 0.5, 1.0, -1.0};
  const auto found = confidences({means, deviations, true}, 100, scores);
  const auto below = [](double z) { return 0.5 * std::erfc(-z / std::sqrt(2.0)); };
  const auto best_of = [&](double z) { return std::pow(below(z), 100); };
  const double value = std::atanh(0.5);
  EXPECT_NEAR(found.data()[1], (best_of(value / 0.1) + best_of((value - 0.2) / 0.1)) / 2, 1e-12);
  EXPECT_LT(found.data()[0], found.data()[1]);
  EXPECT_EQ(found.data()[2], 1.0);
  EXPECT_EQ(found.data()[3], 0.0);
}

TEST(Calibration, IsAStepWhereAllRandomItemsScoreTheSame) {
  const std::vector<double> means{-2}, deviations{0}, scores{-2.5, -2, -1.5};
  const auto found = confidences({means, deviations, false}, 5, scores);
  EXPECT_EQ(found.data()[0], 0.0);
  EXPECT_EQ(found.data()[1], 0.0);
  EXPECT_EQ(found.data()[2], 1.0);
}

}  // namespace
}  // namespace pictrieve
