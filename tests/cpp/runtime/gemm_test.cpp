#include "pictrieve/runtime/gemm.h"

#include <gtest/gtest.h>

#include <cstring>
#include <tuple>
#include <vector>

#include "../every_target.h"
#include "reference.h"

namespace pictrieve {
namespace {

class Gemm : public EveryTarget {};

// Rows, inputs, outputs: around the sizes of tiles, slices and blocks.
constexpr std::tuple<int64_t, int64_t, int64_t> kShapes[] = {{1, 7, 5},     {13, 384, 96}, {97, 33, 100}, {3, 1000, 64},
                                                             {200, 16, 31}, {11, 385, 32}, {12, 1, 33}};

double worst_error(const std::vector<float>& x, int64_t stride, const std::vector<float>& w,
                   const std::vector<float>& bias, const std::vector<float>& residual, const LinearOptions& options,
                   const std::vector<float>& y) {
  const int64_t outputs = static_cast<int64_t>(bias.size()), inputs = static_cast<int64_t>(w.size()) / outputs;
  double worst = 0;
  for (size_t i = 0; i < y.size(); ++i) {
    const int64_t row = static_cast<int64_t>(i) / outputs, n = static_cast<int64_t>(i) % outputs;
    double sum = double{bias[n]} + residual[i];
    for (int64_t k = 0; k < inputs; ++k) sum += double{x[row * stride + k]} * w[n * inputs + k];
    worst = std::max(worst, std::abs(activated(sum, options.activation) - y[i]));
  }
  return worst;
}

TEST_P(Gemm, EqualsDoublePrecision) {
  for (const auto& [rows, inputs, outputs] : kShapes) {
    const int64_t stride = inputs + 3;  // x may be part of wider rows
    const auto x = random_values(rows * stride, 1, 0.5F), w = random_values(outputs * inputs, 2, 0.5F);
    const auto bias = random_values(outputs, 3), residual = random_values(rows * outputs, 4);
    const PackedMatrix packed = pack_matrix(w.data(), bias.data(), outputs, inputs);
    for (const Activation activation : kActivations) {
      std::vector<float> y(rows * outputs);
      const LinearOptions options{residual.data(), activation, stride};
      multiply(x.data(), rows, packed, options, y.data());
      EXPECT_LT(worst_error(x, stride, w, bias, residual, options, y), 2e-7 * inputs + 2e-6)
          << rows << " x " << inputs << " x " << outputs << ", activation " << static_cast<int>(activation);
    }
  }
}

TEST_P(Gemm, ARowDoesNotDependOnTheOthers) {
  for (const auto& [rows, inputs, outputs] : kShapes) {
    const auto x = random_values(rows * inputs, 1), w = random_values(outputs * inputs, 2);
    const PackedMatrix packed = pack_matrix(w.data(), nullptr, outputs, inputs);
    std::vector<float> all(rows * outputs), one(outputs);
    multiply(x.data(), rows, packed, {nullptr, Activation::Gelu}, all.data());
    for (int64_t i = 0; i < rows; ++i) {
      multiply(x.data() + i * inputs, 1, packed, {nullptr, Activation::Gelu}, one.data());
      EXPECT_EQ(0, std::memcmp(one.data(), all.data() + i * outputs, outputs * sizeof(float))) << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Gemm, testing::Values(0, HWY_AVX2 | HWY_SSE4 | HWY_SSSE3, HWY_SSE4 | HWY_SSSE3));

}  // namespace
}  // namespace pictrieve
