#include "pictrieve/runtime/attention.h"

#include <gtest/gtest.h>

#include <vector>

#include "../every_target.h"
#include "pictrieve/base/matrix.h"
#include "pictrieve/nn/relative_bias.h"
#include "pictrieve/runtime/attention_bias.h"
#include "reference.h"

namespace pictrieve {
namespace {

bool sees(const AttentionInput& input, int64_t i, int64_t j) {
  if (input.causal && j > i) return false;
  if (input.reach > 0 && std::abs(i - j) > input.reach) return false;
  return !input.regions || input.regions[i] == input.regions[j];
}

/// The vector of query `i` and one head.
std::vector<double> attended(const AttentionInput& input, int head, int64_t i) {
  const int64_t dim = input.head_dim, offset = head * dim;
  const double scale = input.scale > 0 ? input.scale : 1 / std::sqrt(static_cast<double>(dim));
  std::vector<double> mixed(dim, 0.0), shares(input.length, 0.0);
  double total = 0;
  for (int64_t j = 0; j < input.length; ++j) {
    if (!sees(input, i, j)) continue;
    double score = 0;
    for (int64_t k = 0; k < dim; ++k) score += double{input.queries.row(i)[offset + k]} * input.keys.row(j)[offset + k];
    score *= scale;
    if (input.bias) score += input.bias[head * input.bias_head + i * input.bias_query + j];
    total += shares[j] = std::exp(score);
  }
  for (int64_t j = 0; j < input.length; ++j)
    for (int64_t k = 0; k < dim; ++k) mixed[k] += shares[j] / total * input.values.row(j)[offset + k];
  return mixed;
}

/// Queries, keys and values lie one after the other in each of `values`' rows.
void expect_equal(AttentionInput input, const std::vector<float>& values) {
  const int64_t width = int64_t{input.heads} * input.head_dim, stride = 3 * width;
  input.queries = {values.data(), stride};
  input.keys = input.queries.columns(width);
  input.values = input.queries.columns(2 * width);
  const auto scratch = aligned_array<float>(attention_scratch(input.length, input.head_dim));
  std::vector<float> out(input.query_count * width);
  attend(input, scratch.get(), out.data());
  double worst = 0;
  for (int64_t i = 0; i < input.query_count; ++i) {
    for (int head = 0; head < input.heads; ++head) {
      const std::vector<double> expected = attended(input, head, i);
      for (int64_t k = 0; k < input.head_dim; ++k)
        worst = std::max(worst, std::abs(expected[k] - out[i * width + head * input.head_dim + k]));
    }
  }
  EXPECT_LT(worst, 1e-5) << input.query_count << " queries, " << input.length << " keys, causal " << input.causal
                         << ", reach " << input.reach << ", bias " << (input.bias != nullptr) << ", regions "
                         << (input.regions != nullptr);
}

class Attention : public EveryTarget {
 protected:
  AttentionInput input(int64_t length) const {
    return {.query_count = length, .length = length, .heads = 2, .head_dim = 5};
  }
  const std::vector<float> values_ = random_values(int64_t{300} * 3 * 2 * 64, 4);
};

TEST_P(Attention, EveryLengthAndSize) {
  for (int64_t length = 1; length <= 70; ++length) expect_equal(input(length), values_);
  for (const int size : {1, 24, 32, 33, 64}) {
    AttentionInput sized = input(130);
    sized.head_dim = size;
    expect_equal(sized, values_);
    sized.scale = 0.05;
    expect_equal(sized, values_);
  }
}

TEST_P(Attention, OneQuery) {
  for (const int64_t length : {1, 2, 50, 197}) {
    AttentionInput one = input(length);
    one.query_count = 1;
    expect_equal(one, values_);
  }
}

TEST_P(Attention, CausalAndLocal) {
  for (int64_t length = 1; length <= 150; length += length < 70 ? 1 : 13) {
    for (const int64_t reach : {0, 1, 3, 16, 64}) {
      for (const bool causal : {false, true}) {
        AttentionInput limited = input(length);
        limited.causal = causal;
        limited.reach = reach;
        expect_equal(limited, values_);
      }
    }
  }
}

TEST_P(Attention, WhatNobodySeesIsNotRead) {
  std::vector<float> values = values_;
  AttentionInput local = input(300);
  local.reach = 2;
  const int64_t stride = 30, kept = 100;  // far from the last queries
  for (int64_t j = 0; j < kept; ++j) std::fill(&values[j * stride + 10], &values[(j + 1) * stride], NAN);
  const auto scratch = aligned_array<float>(attention_scratch(local.length, local.head_dim));
  std::vector<float> out(300 * 10);
  local.queries = {values.data(), stride};
  local.keys = local.queries.columns(10);
  local.values = local.queries.columns(20);
  attend(local, scratch.get(), out.data());
  for (int64_t i = 250 * 10; i < 300 * 10; ++i) ASSERT_TRUE(std::isfinite(out[i])) << i;
}

TEST_P(Attention, BiasOfBuckets) {
  const std::vector<float> entries = random_values(32 * 2, 7);
  const Weight table = owned_weight(entries, {32, 2});
  AttentionOptions options{.heads = 2, .bias = RelativeBias::Buckets};
  const AttentionBias bias(options, table, 200);
  for (const int64_t length : {1, 2, 15, 16, 17, 40, 70, 199, 200}) {
    AttentionInput biased = input(length);
    bias.apply(biased);
    const std::vector<int64_t> wanted = relative_bias_entries(options, 32, length);
    for (int64_t i = 0; i < length; ++i)
      for (int64_t j = 0; j < length; ++j)
        ASSERT_EQ(biased.bias[biased.bias_head + i * biased.bias_query + j], entries[wanted[i * length + j] * 2 + 1]);
    expect_equal(biased, values_);
  }
}

TEST_P(Attention, BiasAndRegionsOfWindows) {
  AttentionOptions options{.heads = 2, .bias = RelativeBias::Grid, .window = 7, .shift = 3};
  const Weight table = owned_weight(random_values(13 * 13 * 2, 7), {169, 2});
  const AttentionBias bias(options, table, 49);
  AttentionInput window = input(49);
  bias.apply(window);
  expect_equal(window, values_);
  std::vector<int32_t> regions;
  for (const int64_t region : shift_regions(options, 7, 7)) regions.push_back(static_cast<int32_t>(region));
  window.regions = regions.data();
  expect_equal(window, values_);
  window.bias = nullptr;
  expect_equal(window, values_);
}

INSTANTIATE_TEST_SUITE_P(Targets, Attention, testing::Values(0, HWY_AVX2 | HWY_SSE4 | HWY_SSSE3, HWY_SSE4 | HWY_SSSE3));

}  // namespace
}  // namespace pictrieve
