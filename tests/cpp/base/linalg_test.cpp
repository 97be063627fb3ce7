#include "pictrieve/base/linalg.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace pictrieve {
namespace {

std::vector<float> ramp(int64_t count, float step) {
  std::vector<float> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i) values[i] = step * static_cast<float>(i % 13) - 1.0F;
  return values;
}

TEST(Dot, EqualsTheDoubleSumForEveryTail) {
  for (int64_t dim = 0; dim < 200; ++dim) {
    const auto a = ramp(dim, 0.25F);
    const auto b = ramp(dim, -0.5F);
    double expected = 0;
    for (size_t i = 0; i < a.size(); ++i) expected += double{a[i]} * b[i];
    EXPECT_NEAR(dot(a.data(), b.data(), dim), expected, 1e-3) << "dim " << dim;
  }
}

TEST(L2NormalizeRows, MakesUnitRowsAndKeepsZeros) {
  Matrix<float> rows(2, 5);
  for (int i = 0; i < 5; ++i) rows.row(0)[i] = static_cast<float>(i + 1);
  for (int i = 0; i < 5; ++i) rows.row(1)[i] = 0;
  l2_normalize_rows(rows);
  EXPECT_NEAR(dot(rows.row(0), rows.row(0), 5), 1.0F, 1e-6);
  EXPECT_NEAR(rows.row(0)[4] / rows.row(0)[0], 5.0F, 1e-5);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(rows.row(1)[i], 0.0F);
}

TEST(AllFinite, FindsNanAndInfinityAnywhere) {
  for (int64_t count : {1, 15, 16, 17, 100}) {
    auto values = ramp(count, 1);
    EXPECT_TRUE(all_finite(values.data(), count));
    for (size_t bad = 0; bad < values.size(); ++bad) {
      auto broken = values;
      broken[bad] = bad % 2 ? std::numeric_limits<float>::infinity() : std::nanf("");
      EXPECT_FALSE(all_finite(broken.data(), count)) << bad << " of " << count;
    }
  }
}

}  // namespace
}  // namespace pictrieve
