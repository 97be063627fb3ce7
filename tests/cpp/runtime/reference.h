// The operations on rows in double precision, one number at a time.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "pictrieve/nn/operation.h"

namespace pictrieve {

inline std::vector<float> random_values(int64_t count, unsigned seed, float scale = 1) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = normal(generator);
  return values;
}

constexpr Activation kActivations[] = {Activation::None,    Activation::Relu,      Activation::Relu6,
                                       Activation::Gelu,    Activation::GeluTanh,  Activation::QuickGelu,
                                       Activation::Silu,    Activation::HardSwish, Activation::HardSigmoid,
                                       Activation::Sigmoid, Activation::Tanh};

inline double activated(double x, Activation activation) {
  const auto sigmoid = [](double v) { return 1 / (1 + std::exp(-v)); };
  const double hard = std::clamp(x / 6 + 0.5, 0.0, 1.0);
  switch (activation) {
    case Activation::Relu:
      return std::max(x, 0.0);
    case Activation::Relu6:
      return std::clamp(x, 0.0, 6.0);
    case Activation::Gelu:
      return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    case Activation::GeluTanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
    case Activation::QuickGelu:
      return x * sigmoid(1.702 * x);
    case Activation::Silu:
      return x * sigmoid(x);
    case Activation::HardSwish:
      return x * hard;
    case Activation::HardSigmoid:
      return hard;
    case Activation::Sigmoid:
      return sigmoid(x);
    case Activation::Tanh:
      return std::tanh(x);
    case Activation::None:
      break;
  }
  return x;
}

}  // namespace pictrieve
