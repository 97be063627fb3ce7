#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>
#include <vector>

#include "pictrieve/index/index.h"
#include "pictrieve/rank/diffusion.h"
#include "pictrieve/rank/expansion.h"
#include "pictrieve/rank/reciprocal.h"

namespace pictrieve {
namespace {

Matrix<float> matrix_of(const std::vector<std::vector<float>>& values) {
  Matrix<float> matrix(std::ssize(values), values.empty() ? 2 : std::ssize(values[0]));
  for (size_t i = 0; i < values.size(); ++i)
    std::copy(values[i].begin(), values[i].end(), matrix.row(static_cast<int64_t>(i)));
  return matrix;
}

std::vector<float> at_degrees(double degrees) {
  const double angle = degrees * M_PI / 180;
  return {static_cast<float>(std::cos(angle)), static_cast<float>(std::sin(angle))};
}

std::unique_ptr<Index> index_of(const std::vector<double>& degrees, const std::string& metric = "cosine") {
  auto index = Index::create({.dim = 2, .metric = metric});
  std::vector<std::vector<float>> rows;
  for (const double angle : degrees) rows.push_back(at_degrees(angle));
  index->add(matrix_of(rows), {}, false);
  return index;
}

std::vector<int64_t> first_ids(const SearchResult& result) {
  return {result.ids.row(0), result.ids.row(0) + result.ids.cols()};
}

Matrix<float> random_rows(int64_t rows, int64_t dim, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  Matrix<float> matrix(rows, dim);
  for (int64_t i = 0; i < rows * dim; ++i) matrix.data()[i] = normal(generator);
  return matrix;
}

TEST(Expansion, AveragesTheQueryWithItsNearestAndLeavesOppositeItemsOut) {
  const auto index = index_of({30, 180});
  const Matrix<float> query = matrix_of({{5, 0}});
  const Matrix<float> plain = expand_queries(*index, query, {.neighbours = 2, .alpha = 0});
  EXPECT_NEAR(std::atan2(plain.row(0)[1], plain.row(0)[0]), 15 * M_PI / 180, 1e-6);
  EXPECT_NEAR(std::hypot(plain.row(0)[1], plain.row(0)[0]), 1, 1e-6);
  const Matrix<float> weighted = expand_queries(*index, query, {.neighbours = 2, .alpha = 2});
  EXPECT_NEAR(std::atan2(weighted.row(0)[1], weighted.row(0)[0]), std::atan2(0.75 * 0.5, 1 + 0.75 * std::sqrt(0.75)),
              1e-6);
}

TEST(Expansion, ADatabaseRowIsNotItsOwnNeighbourEvenAmongEqualRows) {
  const auto equal = index_of({10, 10, 10, 10});
  const Matrix<float> rows = augment_database(*equal, {.neighbours = 2});
  for (int64_t i = 0; i < 4; ++i) EXPECT_NEAR(rows.row(i)[1], std::sin(10 * M_PI / 180), 1e-6);
  const auto pair = index_of({0, 40});
  const Matrix<float> both = augment_database(*pair, {.neighbours = 1, .alpha = 0});
  for (int64_t i = 0; i < 2; ++i) EXPECT_NEAR(both.row(i)[1], std::sin(20 * M_PI / 180), 1e-6);
}

TEST(Expansion, ZerosStayZerosAndAnEmptyIndexGivesTheQuery) {
  const auto index = Index::create({.dim = 2});
  const Matrix<float> rows = expand_queries(*index, matrix_of({{0, 0}, {3, 4}}), {});
  EXPECT_EQ(rows.row(0)[0], 0);
  EXPECT_FLOAT_EQ(rows.row(1)[1], 0.8F);
  EXPECT_EQ(augment_database(*index, {}).rows(), 0);
}

TEST(Reciprocal, ADenseGroupBesideTheQueryLosesToTheOneThatPointsBack) {
  // Item 0 is nearest, but its own neighbours are the crowd; item 1, a little farther, has the query among its nearest.
  const auto index = index_of({10, -10.2, 10.5, 11, 11.5, 12});
  const auto search = index->search(matrix_of({at_degrees(0)}), 1);
  EXPECT_EQ(search.ids.row(0)[0], 0);
  const auto result = k_reciprocal(*index, matrix_of({at_degrees(0)}), 6, {.k1 = 2, .k2 = 1, .weight = 0});
  EXPECT_EQ(first_ids(result)[0], 1);
  EXPECT_EQ(first_ids(result).size(), 6U);
}

TEST(Diffusion, FollowsAChainPastANearerItemThatIsAlone) {
  // A chain of steps of 10 degrees leads from the query to 80; -60 is nearer and linked with nothing.
  const auto index = index_of({0, 10, 20, 30, 40, 50, 60, 70, -60});
  const DiffusionOptions options{.neighbours = 2, .candidates = 9, .alpha = 0.99, .iterations = 100};
  const auto ids = first_ids(diffusion(*index, matrix_of({at_degrees(0)}), 9, options));
  EXPECT_EQ(ids.back(), 8);
}

TEST(Rerank, ZeroScoresKeepTheOrderOfTheSearch) {
  const auto index = index_of({90, 120, 100, 150});
  const auto result = diffusion(*index, matrix_of({at_degrees(-5)}), 4, {});
  EXPECT_EQ(first_ids(result), first_ids(index->search(matrix_of({at_degrees(-5)}), 4)));
}

TEST(Rerank, EmptyIndexesFiltersAndBatchesGiveEmptyResults) {
  const auto empty = Index::create({.dim = 2});
  const auto full = index_of({0, 10, 20});
  const std::vector<int64_t> unknown{77};
  const Matrix<float> query = matrix_of({{1, 0}});
  for (const auto rerank : {+[](const Index& index, MatrixView<const float> queries, const Filter& where) {
                              return k_reciprocal(index, queries, 5, {}, where);
                            },
                            +[](const Index& index, MatrixView<const float> queries, const Filter& where) {
                              return diffusion(index, queries, 5, {}, where);
                            }}) {
    EXPECT_EQ(rerank(*empty, query, {}).ids.cols(), 0);
    EXPECT_EQ(rerank(*full, query, {.ids = unknown, .mask = {}}).ids.cols(), 0);
    EXPECT_EQ(rerank(*full, Matrix<float>(0, 2), {}).ids.rows(), 0);
    EXPECT_EQ(rerank(*full, query, {}).ids.cols(), 3);
    EXPECT_EQ(rerank(*full, matrix_of({{0, 0}}), {}).ids.cols(), 3);
  }
}

TEST(Rerank, RefusesWhatMakesNoSense) {
  const auto index = index_of({0, 10});
  const auto l2 = index_of({0, 10}, "l2");
  const Matrix<float> query = matrix_of({{1, 0}});
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW(k_reciprocal(*l2, query, 1, {}), std::invalid_argument);
  EXPECT_THROW(k_reciprocal(*index, query, 0, {}), std::invalid_argument);
  EXPECT_THROW(k_reciprocal(*index, query, 1, {.k1 = 0}), std::invalid_argument);
  EXPECT_THROW(k_reciprocal(*index, query, 1, {.k2 = 0}), std::invalid_argument);
  EXPECT_THROW(k_reciprocal(*index, query, 1, {.weight = 1.5}), std::invalid_argument);
  EXPECT_THROW(k_reciprocal(*index, matrix_of({{nan, 0}}), 1, {}), std::invalid_argument);
  EXPECT_THROW(diffusion(*index, query, 1, {.alpha = 1}), std::invalid_argument);
  EXPECT_THROW(diffusion(*index, query, 1, {.neighbours = 0}), std::invalid_argument);
  EXPECT_THROW(diffusion(*index, query, 1, {.candidates = 0}), std::invalid_argument);
  EXPECT_THROW(diffusion(*index, query, 1, {.iterations = 0}), std::invalid_argument);
  EXPECT_THROW(expand_queries(*index, query, {.neighbours = 0}), std::invalid_argument);
  EXPECT_THROW(expand_queries(*index, query, {.alpha = nan}), std::invalid_argument);
  EXPECT_THROW(expand_queries(*index, Matrix<float>(0, 3), {}), std::invalid_argument);
  EXPECT_THROW(augment_database(*l2, {}), std::invalid_argument);
}

TEST(Rerank, AMonitorThatThrowsStopsTheWork) {
  const auto index = Index::create({.dim = 16});
  index->add(random_rows(2000, 16, 1), {}, false);
  struct Stop {};
  const Monitor monitor = [](int64_t, int64_t) { throw Stop{}; };
  EXPECT_THROW(k_reciprocal(*index, random_rows(5000, 16, 2), 5, {}, {}, monitor), Stop);
  EXPECT_THROW(augment_database(*index, {}, monitor), Stop);
}

}  // namespace
}  // namespace pictrieve
