#include "pictrieve/evaluate/exhaustive.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <stdexcept>

#include "metric_cells.h"
#include "pictrieve/evaluate/ranking.h"

namespace pictrieve {
namespace {

const std::vector<int64_t> kKs = {1, 10};

Matrix<float> random_rows(int64_t rows, int64_t dim, unsigned seed) {
  Matrix<float> made(rows, dim);
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::generate_n(made.data(), rows * dim, [&] { return normal(random); });
  for (int64_t i = rows / 2; i < rows; i += 3) std::copy_n(made.row(i / 3), dim, made.row(i));  // equal rows
  return made;
}

/// Rankings by sorting exact scores, and what `evaluate_rankings` makes of them.
Matrix<double> by_sorting(const ScoreSource& source, const ExhaustiveInput& input, const MetricOptions& options) {
  Ids rankings, relevant;
  std::vector<int32_t> all(static_cast<size_t>(source.items()));
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int32_t>(i);
  for (int64_t query = 0; query < source.queries(); ++query) {
    std::vector<float> scores(all.size());
    source.exact(query, all.data(), source.items(), scores.data());
    std::vector<int64_t> order(all.begin(), all.end());
    std::ranges::stable_sort(
        order, [&](int64_t a, int64_t b) { return scores[static_cast<size_t>(a)] > scores[static_cast<size_t>(b)]; });
    if (input.leave_one_out) std::erase(order, query);
    rankings.push_back(order);
    const auto& level = input.levels.front();
    const auto mine = level.items.list(level.list_of_query[static_cast<size_t>(query)]);
    relevant.emplace_back(mine.begin(), mine.end());
    if (input.leave_one_out) std::erase(relevant.back(), query);
  }
  const Lists ranked(rankings), wanted(relevant);
  return evaluate_rankings({ranked, wanted, {}, {}}, options);
}

void expect_equal(const Matrix<double>& a, const Matrix<double>& b) {
  ASSERT_EQ(a.cols(), b.cols());
  for (int64_t i = 0; i < a.rows() * a.cols(); ++i) EXPECT_EQ(a.data()[i], b.data()[i]) << i;
}

/// Seven classes in turn.
struct Classes {
  Lists items;
  std::vector<int64_t> list_of_query;

  explicit Classes(int64_t rows) : items(Ids()) {
    Ids lists(7);
    for (int64_t i = 0; i < rows; ++i) lists[static_cast<size_t>(i % 7)].push_back(i), list_of_query.push_back(i % 7);
    items = Lists(lists);
  }
};

class EveryMetric : public testing::TestWithParam<Metric> {};

TEST_P(EveryMetric, RanksAsSortingDoes) {
  Matrix<float> rows = random_rows(301, 37, 1);
  if (is_histogram(GetParam())) std::ranges::transform(rows.data(), rows.data() + 301 * 37, rows.data(), fabsf);
  const Classes classes(rows.rows());
  const auto source = score_source(rows, rows, GetParam());
  ExhaustiveInput input{{{classes.items, {}, 1, classes.list_of_query}}, {}, true};
  const MetricOptions options{PrecisionDivisor::AllRelevant, kKs};
  const auto expected = by_sorting(*source, input, options);
  expect_equal(evaluate_all(*source, input, options), expected);
  input.max_memory = num_threads() * int64_t{160000};  // few queries at a time
  expect_equal(evaluate_all(*source, input, options), expected);
}

INSTANTIATE_TEST_SUITE_P(Exhaustive, EveryMetric,
                         testing::Values(Metric::Cosine, Metric::InnerProduct, Metric::L2, Metric::L1, Metric::Pearson,
                                         Metric::ChiSquare, Metric::Intersection, Metric::Jaccard, Metric::Hellinger));

TEST(Exhaustive, RanksBits) {
  Matrix<uint8_t> bits(200, 2);
  std::mt19937 random(2);
  std::generate_n(bits.data(), 400, [&] { return static_cast<uint8_t>(random()); });
  const Classes classes(bits.rows());
  const auto source = score_source(bits, bits, Metric::Hamming);
  const ExhaustiveInput input{{{classes.items, {}, 1, classes.list_of_query}}, {}, true};
  expect_equal(evaluate_all(*source, input, {PrecisionDivisor::AllRelevant, kKs}),
               by_sorting(*source, input, {PrecisionDivisor::AllRelevant, kKs}));
}

TEST(Exhaustive, GoesByTheRuleAmongEquals) {
  Matrix<float> scores(1, 6);
  std::ranges::copy(std::vector<float>{0.5F, 0.5F, INFINITY, 0.5F, -INFINITY, -INFINITY}, scores.data());
  const Lists items(Ids{{1, 4}});
  const std::vector<int64_t> list = {0};
  const auto source = score_source(scores.view());
  const std::vector<std::pair<TieRule, double>> expected = {{TieRule::LowestId, 1.0 / 3},
                                                            {TieRule::HighestId, 1.0 / 3},
                                                            {TieRule::RelevantFirst, 1.0 / 2},
                                                            {TieRule::RelevantLast, 1.0 / 4}};
  for (const auto& [rule, reciprocal] : expected) {
    const ExhaustiveInput input{{{items, {}, 1, list}}, {}, false, rule};
    EXPECT_DOUBLE_EQ(whole(evaluate_all(*source, input, {}), WholeMetric::ReciprocalRank), reciprocal);
  }
  const ExhaustiveInput input{{{items, {}, 1, list}}, {}, false, TieRule::LowestId};
  EXPECT_DOUBLE_EQ(whole(evaluate_all(*source, input, {}), WholeMetric::AveragePrecision), (1.0 / 3 + 2.0 / 5) / 2);
}

TEST(Exhaustive, TakesTheGainOfTheFirstLevelAndDropsJunk) {
  Matrix<float> scores(1, 4);
  std::ranges::copy(std::vector<float>{4, 3, 2, 1}, scores.data());
  const Lists fine(Ids{{2}}), coarse(Ids{{1, 2, 3}}), junk(Ids{{0, 3}});
  const std::vector<int64_t> list = {0};
  const auto source = score_source(scores.view());
  const ExhaustiveInput input{{{fine, {}, 3, list}, {coarse, {}, 1, list}}, junk};
  const auto values = evaluate_all(*source, input, {PrecisionDivisor::AllRelevant, kKs});
  EXPECT_DOUBLE_EQ(cut(values, 0, CutMetric::Ndcg), 1.0 / 3);
  EXPECT_DOUBLE_EQ(whole(values, WholeMetric::AveragePrecision), 1.0);
  EXPECT_DOUBLE_EQ(whole(values, WholeMetric::Ndcg), (1 + 3 / std::log2(3)) / (3 + 1 / std::log2(3)));
}

TEST(Exhaustive, RefusesWhatHasNoMeaning) {
  const Matrix<float> rows = random_rows(10, 4, 3), longer = random_rows(10, 5, 3);
  EXPECT_THROW(score_source(rows, longer, Metric::Cosine), std::invalid_argument);
  const auto source = score_source(rows, rows, Metric::Cosine);
  const Lists items(Ids{{10}});
  const std::vector<int64_t> lists(10, 0), none(9, -1);
  EXPECT_THROW(evaluate_all(*source, {{{items, {}, 1, lists}}, {}}, {}), std::invalid_argument);
  EXPECT_THROW(evaluate_all(*source, {{{items, {}, 1, none}}, {}}, {}), std::invalid_argument);
  const Lists few(Ids{{1}});
  EXPECT_THROW(evaluate_all(*source, {{{few, {}, 1, lists}}, {}, false, TieRule::LowestId, 100}, {}),
               std::invalid_argument);
  rows.data()[3] = NAN;
  EXPECT_THROW(score_source(rows, rows, Metric::Cosine), std::invalid_argument);
  EXPECT_THROW(score_source(rows.view()), std::invalid_argument);
}

}  // namespace
}  // namespace pictrieve
