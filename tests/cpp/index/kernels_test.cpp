#include "pictrieve/index/distance/kernels.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <vector>

#include "../every_target.h"

namespace pictrieve {
namespace {

std::vector<float> random_values(size_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(generator);
  return values;
}

/// Every dim and count around the widths of vectors and groups, for this machine's widest target and for AVX2.
class Kernels : public EveryTarget {};

TEST_P(Kernels, EqualTheDoubleSumsForEveryTailAndCount) {
  for (int64_t dim = 1; dim < 70; ++dim) {
    for (const int64_t count : {1, 3, 4, 5, 9}) {
      const auto query = random_values(static_cast<size_t>(dim), 1);
      const auto rows = random_values(static_cast<size_t>(dim * 10), 2);
      const std::vector<int32_t> places{9, 0, 3, 3, 7, 1, 2, 8, 4};
      std::vector<float> products(static_cast<size_t>(count)), distances(static_cast<size_t>(count));
      const RowList list{rows.data(), dim, places.data(), 0, count};
      dots(query.data(), list, products.data());
      squared_distances(query.data(), list, distances.data());
      for (size_t i = 0; i < products.size(); ++i) {
        double product = 0, distance = 0;
        for (size_t j = 0; j < query.size(); ++j) {
          const double value = rows[static_cast<size_t>(places[i] * dim) + j];
          product += query[j] * value;
          distance += (query[j] - value) * (query[j] - value);
        }
        EXPECT_NEAR(products[i], product, 1e-4);
        EXPECT_NEAR(distances[i], distance, 1e-3);
      }
    }
  }
}

TEST_P(Kernels, PositionsAreThoseOfTheScalarLoopAndNeverNan) {
  for (int64_t count = 0; count < 60; ++count) {
    auto keys = random_values(static_cast<size_t>(count), 3);
    if (count > 5) keys[5] = std::numeric_limits<float>::quiet_NaN();
    std::vector<int32_t> expected, found(static_cast<size_t>(count));
    for (size_t i = 0; i < keys.size(); ++i)
      if (keys[i] >= 0.25F) expected.push_back(static_cast<int32_t>(i));
    found.resize(static_cast<size_t>(positions_at_least(keys.data(), count, 0.25F, found.data())));
    EXPECT_EQ(found, expected);
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Kernels, testing::Values(0, HWY_AVX2 | HWY_SSE4 | HWY_SSSE3, HWY_SSE4 | HWY_SSSE3));

}  // namespace
}  // namespace pictrieve
