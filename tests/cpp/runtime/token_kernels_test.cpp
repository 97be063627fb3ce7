#include "pictrieve/runtime/token_kernels.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <tuple>
#include <vector>

namespace pictrieve {
namespace {

std::vector<float> random_values(int64_t count, unsigned seed, float scale = 1) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> values(count);
  for (float& value : values) value = normal(generator);
  return values;
}

class TokenKernels : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) hwy::SetSupportedTargetsForTest(HWY_AVX2);
  }
  void TearDown() override { hwy::SetSupportedTargetsForTest(0); }
};

TEST_P(TokenKernels, LayerNormEqualsDoublePrecision) {
  for (const int64_t dim : {1, 3, 72, 384}) {
    const auto x = random_values(5 * dim, 1, 3), scale = random_values(dim, 2), shift = random_values(dim, 3);
    std::vector<float> out(5 * dim);
    layer_norm_rows({x.data(), 5, dim}, {scale.data(), shift.data(), 1e-5}, out.data());
    for (int64_t r = 0; r < 5; ++r) {
      const float* row = x.data() + r * dim;
      const double mean = std::accumulate(row, row + dim, 0.0) / dim;
      double variance = 0;
      for (int64_t i = 0; i < dim; ++i) variance += (row[i] - mean) * (row[i] - mean) / dim;
      for (int64_t i = 0; i < dim; ++i) {
        EXPECT_NEAR(out[r * dim + i], (row[i] - mean) / std::sqrt(variance + 1e-5) * scale[i] + shift[i], 3e-5);
      }
    }
  }
}

TEST_P(TokenKernels, MeanOfRows) {
  const auto x = random_values(7 * 70, 1);
  std::vector<float> out(70);
  mean_of_rows({x.data(), 7, 70}, out.data());
  for (int i = 0; i < 70; ++i) {
    double sum = 0;
    for (int r = 0; r < 7; ++r) sum += x[r * 70 + i];
    EXPECT_NEAR(out[i], sum / 7, 1e-6);
  }
}

TEST_P(TokenKernels, AttentionEqualsDoublePrecision) {
  for (const auto& [length, heads, head_dim] :
       {std::tuple{1, 1, 1}, std::tuple{5, 2, 24}, std::tuple{37, 3, 32}, std::tuple{130, 2, 64}}) {
    const int64_t dim = heads * head_dim, stride = 3 * dim;
    const auto qkv = random_values(length * stride, 4, 2);
    const auto scratch = aligned_array<float>(attention_scratch(length, head_dim));
    std::vector<float> out(length * dim);
    attend({qkv.data(), qkv.data() + dim, qkv.data() + 2 * dim, stride, length, heads, head_dim}, scratch.get(),
           out.data());
    for (int64_t i = 0; i < length; ++i) {
      for (int h = 0; h < heads; ++h) {
        std::vector<double> weights(length);
        for (int64_t j = 0; j < length; ++j) {
          double score = 0;
          for (int k = 0; k < head_dim; ++k)
            score += double{qkv[i * stride + h * head_dim + k]} * qkv[j * stride + dim + h * head_dim + k];
          weights[j] = score / std::sqrt(double(head_dim));
        }
        const double top = *std::max_element(weights.begin(), weights.end());
        double sum = 0;
        for (double& weight : weights) sum += weight = std::exp(weight - top);
        for (int k = 0; k < head_dim; ++k) {
          double mixed = 0;
          for (int64_t j = 0; j < length; ++j) mixed += weights[j] / sum * qkv[j * stride + 2 * dim + h * head_dim + k];
          EXPECT_NEAR(out[i * dim + h * head_dim + k], mixed, 2e-5);
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, TokenKernels, testing::Bool());

}  // namespace
}  // namespace pictrieve
