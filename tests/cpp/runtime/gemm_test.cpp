#include "pictrieve/runtime/gemm.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cmath>
#include <cstring>
#include <random>
#include <tuple>
#include <vector>

namespace pictrieve {
namespace {

std::vector<float> random_values(int64_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> values(count);
  for (float& value : values) value = uniform(generator);
  return values;
}

double activated(double x, Activation activation) {
  if (activation == Activation::Relu) return std::max(x, 0.0);
  if (activation == Activation::Relu6) return std::min(std::max(x, 0.0), 6.0);
  if (activation == Activation::Gelu) return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
  return x;
}

// Whether the kernels for AVX2 alone are tested; rows, inputs, outputs.
using Case = std::tuple<bool, std::tuple<int, int, int>>;

class Gemm : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (std::get<0>(GetParam())) hwy::SetSupportedTargetsForTest(HWY_AVX2);
  }
  void TearDown() override { hwy::SetSupportedTargetsForTest(0); }
};

TEST_P(Gemm, EqualsDoublePrecision) {
  const auto [rows, inputs, outputs] = std::get<1>(GetParam());
  const auto x = random_values(int64_t{rows} * inputs, 1), w = random_values(int64_t{outputs} * inputs, 2);
  const auto bias = random_values(outputs, 3), residual = random_values(int64_t{rows} * outputs, 4);
  const PackedMatrix packed = pack_matrix(w.data(), bias.data(), outputs, inputs);
  for (const Activation activation : {Activation::None, Activation::Relu, Activation::Relu6, Activation::Gelu}) {
    std::vector<float> y(int64_t{rows} * outputs);
    multiply(x.data(), rows, packed, {residual.data(), activation}, y.data());
    double worst = 0;
    for (int i = 0; i < rows; ++i) {
      for (int n = 0; n < outputs; ++n) {
        double sum = double{bias[n]} + residual[i * outputs + n];
        for (int k = 0; k < inputs; ++k) sum += double{x[i * inputs + k]} * w[n * inputs + k];
        worst = std::max(worst, std::abs(activated(sum, activation) - y[i * outputs + n]));
      }
    }
    EXPECT_LT(worst, 2e-7 * inputs + 1e-6);
  }
}

TEST_P(Gemm, ARowDoesNotDependOnTheOthers) {
  const auto [rows, inputs, outputs] = std::get<1>(GetParam());
  const auto x = random_values(int64_t{rows} * inputs, 1), w = random_values(int64_t{outputs} * inputs, 2);
  const PackedMatrix packed = pack_matrix(w.data(), nullptr, outputs, inputs);
  std::vector<float> all(int64_t{rows} * outputs), one(outputs);
  multiply(x.data(), rows, packed, {nullptr, Activation::Gelu}, all.data());
  for (int i = 0; i < rows; ++i) {
    multiply(x.data() + int64_t{i} * inputs, 1, packed, {nullptr, Activation::Gelu}, one.data());
    EXPECT_EQ(0, std::memcmp(one.data(), all.data() + int64_t{i} * outputs, outputs * sizeof(float))) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, Gemm,
                         testing::Combine(testing::Bool(),
                                          testing::Values(std::tuple{1, 7, 5}, std::tuple{13, 384, 96},
                                                          std::tuple{97, 33, 100}, std::tuple{3, 1000, 64},
                                                          std::tuple{200, 16, 31})));

}  // namespace
}  // namespace pictrieve
