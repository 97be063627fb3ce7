#include "pictrieve/evaluate/ranking.h"

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>

#include "metric_cells.h"

namespace pictrieve {
namespace {

// One ranking with hits at 2, 4 and 7, a fourth relevant item unranked.
const Lists kRanked(Ids{{10, 1, 11, 2, 12, 13, 3, 14, 15, 16}});
const Lists kRelevant(Ids{{1, 2, 3, 4}});
const std::vector<int64_t> kKs = {5, 10};

TEST(Ranking, DividesAveragePrecisionAsTheProtocolSays) {
  const RetrievalInput input{kRanked, kRelevant, {}, {}};
  const auto trec = evaluate_rankings(input, {PrecisionDivisor::AllRelevant, kKs});
  EXPECT_DOUBLE_EQ(cut(trec, 0, CutMetric::AveragePrecision), 0.25);
  EXPECT_DOUBLE_EQ(cut(trec, 1, CutMetric::AveragePrecision), (0.5 + 0.5 + 3.0 / 7) / 4);
  const auto hits = evaluate_rankings(input, {PrecisionDivisor::HitsAtK, kKs});
  EXPECT_DOUBLE_EQ(cut(hits, 0, CutMetric::AveragePrecision), 0.5);
  EXPECT_DOUBLE_EQ(cut(hits, 1, CutMetric::AveragePrecision), (0.5 + 0.5 + 3.0 / 7) / 3);
  const std::vector<int64_t> two = {2};
  const auto beir = evaluate_rankings(input, {PrecisionDivisor::ReachableAtK, two});
  EXPECT_DOUBLE_EQ(cut(beir, 0, CutMetric::AveragePrecision), 0.25);  // R = 4 > k = 2: divided by 2
}

TEST(Ranking, GivesTheOtherMetrics) {
  const auto values = evaluate_rankings({kRanked, kRelevant, {}, {}}, {PrecisionDivisor::AllRelevant, kKs});
  EXPECT_NEAR(cut(values, 0, CutMetric::Ndcg), 0.4144, 5e-5);
  EXPECT_NEAR(cut(values, 0, CutMetric::RetrievedNdcg), 0.6509, 5e-5);
  EXPECT_DOUBLE_EQ(cut(values, 0, CutMetric::Recall), 0.5);
  EXPECT_DOUBLE_EQ(cut(values, 0, CutMetric::Precision), 0.4);
  EXPECT_DOUBLE_EQ(cut(values, 0, CutMetric::ReachablePrecision), 0.5);
  EXPECT_DOUBLE_EQ(cut(values, 1, CutMetric::RevisitedPrecision), 3.0 / 7);  // the last one found is at 7
  EXPECT_DOUBLE_EQ(cut(values, 0, CutMetric::Hit), 1.0);
  EXPECT_DOUBLE_EQ(cut(values, 1, CutMetric::Hits), 3.0);
  EXPECT_DOUBLE_EQ(cut(values, 0, CutMetric::ReciprocalRank), 0.5);
  EXPECT_DOUBLE_EQ(whole(values, WholeMetric::AveragePrecisionAtR), 0.25);
  EXPECT_DOUBLE_EQ(whole(values, WholeMetric::RPrecision), 0.5);
  EXPECT_DOUBLE_EQ(whole(values, WholeMetric::ReciprocalRank), 0.5);
  EXPECT_NEAR(whole(values, WholeMetric::OxfordPrecision), 0.2619, 5e-5);
}

TEST(Ranking, CountsItemsOfLittleGainInNdcgAlone) {
  const std::vector<double> gains = {1, 3, 3, 1};
  const RetrievalInput input{kRanked, kRelevant, gains, {}};
  const auto all = evaluate_rankings(input, {PrecisionDivisor::AllRelevant, kKs});
  const auto best = evaluate_rankings(input, {PrecisionDivisor::AllRelevant, kKs, 2});
  EXPECT_EQ(cut(all, 0, CutMetric::Ndcg), cut(best, 0, CutMetric::Ndcg));
  EXPECT_DOUBLE_EQ(whole(best, WholeMetric::AveragePrecision), (1.0 / 4 + 2.0 / 7) / 2);
}

TEST(Ranking, RemovesJunkFirst) {
  const Lists junk(Ids{{10, 11}});
  const auto values = evaluate_rankings({kRanked, kRelevant, {}, junk}, {PrecisionDivisor::AllRelevant, kKs});
  EXPECT_DOUBLE_EQ(whole(values, WholeMetric::ReciprocalRank), 1.0);
  EXPECT_DOUBLE_EQ(whole(values, WholeMetric::OxfordPrecision), (1.0 + 1.0 + (2.0 / 4 + 3.0 / 5) / 2) / 4);
}

TEST(Ranking, LeavesAQueryWithoutRelevantItemsOpen) {
  const Lists none(Ids(1));
  const auto values = evaluate_rankings({kRanked, none, {}, {}}, {PrecisionDivisor::AllRelevant, kKs});
  for (int64_t i = 0; i < values.cols(); ++i) EXPECT_TRUE(std::isnan(values.row(0)[i]));
}

TEST(Ranking, RefusesWhatHasNoMeaning) {
  const MetricOptions options{PrecisionDivisor::AllRelevant, kKs};
  const Lists twice(Ids{{5, 6, 5}}), two(Ids{{1}, {2}}), overlap(Ids{{2}});
  EXPECT_THROW(evaluate_rankings({twice, kRelevant, {}, {}}, options), std::invalid_argument);
  EXPECT_THROW(evaluate_rankings({kRanked, two, {}, {}}, options), std::invalid_argument);
  EXPECT_THROW(evaluate_rankings({kRanked, kRelevant, {}, overlap}, options), std::invalid_argument);
  const std::vector<int64_t> zero = {0};
  EXPECT_THROW(evaluate_rankings({kRanked, kRelevant, {}, {}}, {PrecisionDivisor::AllRelevant, zero}),
               std::invalid_argument);
}

}  // namespace
}  // namespace pictrieve
