#include "pictrieve/evaluate/rank_correlation.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace pictrieve {
namespace {

TEST(RankCorrelation, CountsPairsAsTwoLoopsDo) {
  std::mt19937 random(1);
  std::vector<double> x(203), y(203);
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<double>(random() % 40), y[i] = static_cast<double>(random() % 5);
  PairCounts expected;
  for (size_t i = 0; i < x.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      expected.discordant += (x[i] - x[j]) * (y[i] - y[j]) < 0;
      expected.equal_x += x[i] == x[j];
      expected.equal_y += y[i] == y[j];
      expected.equal_both += x[i] == x[j] && y[i] == y[j];
    }
  }
  const PairCounts counts = count_pairs(x, y);
  EXPECT_EQ(counts.discordant, expected.discordant);
  EXPECT_EQ(counts.equal_x, expected.equal_x);
  EXPECT_EQ(counts.equal_y, expected.equal_y);
  EXPECT_EQ(counts.equal_both, expected.equal_both);
  EXPECT_EQ(count_pairs({}, {}).discordant, 0);
}

}  // namespace
}  // namespace pictrieve
