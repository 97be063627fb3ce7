// Random texts, and what Torch makes of them one at a time.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <random>
#include <vector>

#include "pictrieve/nn/modules.h"
#include "pictrieve/nn/torch_ops.h"

namespace pictrieve {

constexpr int kVocabulary = 50;

inline float largest_difference(const torch::Tensor& expected, const float* got) {
  return (expected - torch::from_blob(const_cast<float*>(got), expected.sizes())).abs().max().item<float>();
}

struct Texts {
  explicit Texts(const std::vector<int64_t>& lengths) {
    std::mt19937 generator(3);
    for (const int64_t length : lengths) {
      for (int64_t i = 0; i < length; ++i) ids.push_back(static_cast<int32_t>(generator() % kVocabulary));
      offsets.push_back(static_cast<int64_t>(ids.size()));
    }
  }
  int64_t count() const { return static_cast<int64_t>(offsets.size()) - 1; }
  int64_t tokens() const { return offsets.back(); }

  std::vector<int32_t> ids;
  std::vector<int64_t> offsets{0};
};

/// (length, hidden) of the i-th text.
inline torch::Tensor hidden_by_torch(const TextModule& module, const Texts& texts, int64_t i) {
  const int64_t length = texts.offsets[i + 1] - texts.offsets[i];
  const torch::Tensor ids =
      torch::from_blob(const_cast<int32_t*>(&texts.ids[texts.offsets[i]]), {1, length}, torch::kInt32)
          .to(torch::kInt64);
  const torch::Tensor positions = torch::arange(length).unsqueeze(0) + module.position_offset;
  TorchOps ops;
  return module.forward(ops, {{ids}, {positions}, {torch::zeros_like(ids)}}).tensor[0];
}

}  // namespace pictrieve
