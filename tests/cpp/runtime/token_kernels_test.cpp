#include "pictrieve/runtime/token_kernels.h"

#include <gtest/gtest.h>

#include <limits>
#include <numeric>
#include <vector>

#include "../every_target.h"
#include "reference.h"

namespace pictrieve {
namespace {

class TokenKernels : public EveryTarget {};

TEST_P(TokenKernels, LayerNormEqualsDoublePrecision) {
  for (const int64_t dim : {1, 3, 31, 72, 384}) {
    const int64_t stride = dim + 5;
    const auto x = random_values(5 * stride, 1, 3), scale = random_values(dim, 2), shift = random_values(dim, 3);
    for (const bool shifted : {true, false}) {
      std::vector<float> out(5 * dim);
      layer_norm_rows({x.data(), stride}, {5, dim}, {scale.data(), shifted ? shift.data() : nullptr, 1e-5}, out.data());
      for (int64_t r = 0; r < 5; ++r) {
        const float* row = x.data() + r * stride;
        const double mean = std::accumulate(row, row + dim, 0.0) / dim;
        double variance = 0;
        for (int64_t i = 0; i < dim; ++i) variance += (row[i] - mean) * (row[i] - mean) / dim;
        for (int64_t i = 0; i < dim; ++i) {
          const double unit = (row[i] - mean) / std::sqrt(variance + 1e-5);
          EXPECT_NEAR(out[r * dim + i], unit * scale[i] + (shifted ? shift[i] : 0), 3e-5);
        }
      }
    }
  }
}

TEST_P(TokenKernels, ActivationsEqualDoublePrecision) {
  std::vector<float> x{-1e30F, -200, -104, -90, -88, -6, -3, -0.0F, 0, 3, 6, 88, 90, 104, 200, 1e30F};
  for (const float value : random_values(1000, 5, 4)) x.push_back(value);
  for (const Activation activation : kActivations) {
    std::vector<float> found = x;
    activate_rows(found.data(), static_cast<int64_t>(x.size()), activation);
    for (size_t i = 0; i < x.size(); ++i) {
      const double expected = activated(x[i], activation);
      EXPECT_NEAR(found[i], expected, 1e-6 * std::max(1.0, std::abs(double{x[i]})))
          << x[i] << " by " << static_cast<int>(activation);
    }
  }
}

TEST_P(TokenKernels, SumsAndProducts) {
  for (int64_t count = 0; count < 70; ++count) {
    const auto a = random_values(count, 1), b = random_values(count, 2);
    std::vector<float> sums(count), products(count);
    add_values(a.data(), b.data(), count, sums.data());
    multiply_values(a.data(), b.data(), count, products.data());
    for (int64_t i = 0; i < count; ++i) {
      EXPECT_EQ(sums[i], a[i] + b[i]);
      EXPECT_EQ(products[i], a[i] * b[i]);
    }
  }
}

TEST_P(TokenKernels, RotatesEachHead) {
  for (const int64_t half : {1, 7, 16, 33}) {
    const auto x = random_values(3 * 2 * half, 1), angles = random_values(half, 2, 3);
    std::vector<float> cosines, sines, out(x.size());
    for (const float angle : angles) {
      cosines.push_back(std::cos(angle));
      sines.push_back(std::sin(angle));
    }
    rotate_row(x.data(), {cosines.data(), sines.data(), 3, half}, out.data());
    for (int64_t head = 0; head < 3; ++head) {
      for (int64_t i = 0; i < half; ++i) {
        const double a = x[2 * head * half + i], b = x[(2 * head + 1) * half + i];
        EXPECT_NEAR(out[2 * head * half + i], a * cosines[i] - b * sines[i], 1e-6);
        EXPECT_NEAR(out[(2 * head + 1) * half + i], b * cosines[i] + a * sines[i], 1e-6);
      }
    }
  }
}

TEST_P(TokenKernels, RowsBecomeOne) {
  for (int64_t rows = 1; rows < 20; rows += 3) {
    const auto x = random_values(rows * 70, 1);
    std::vector<float> mean(70), weighted(70), highest(70);
    mean_of_rows({x.data(), rows, 70}, mean.data());
    weighted_mean_of_rows({x.data(), rows, 70}, weighted.data());
    max_of_rows({x.data(), rows, 70}, highest.data());
    for (int64_t i = 0; i < 70; ++i) {
      double sum = 0, total = 0;
      float top = -std::numeric_limits<float>::infinity();
      for (int64_t r = 0; r < rows; ++r) {
        sum += x[r * 70 + i];
        total += static_cast<double>(r + 1) * x[r * 70 + i];
        top = std::max(top, x[r * 70 + i]);
      }
      EXPECT_NEAR(mean[i], sum / rows, 1e-6);
      EXPECT_NEAR(weighted[i], total / (rows * (rows + 1) / 2.0), 1e-6);
      EXPECT_EQ(highest[i], top);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, TokenKernels,
                         testing::Values(0, HWY_AVX2 | HWY_SSE4 | HWY_SSSE3, HWY_SSE4 | HWY_SSSE3));

}  // namespace
}  // namespace pictrieve
