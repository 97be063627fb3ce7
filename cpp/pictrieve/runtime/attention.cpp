#include <algorithm>
#include <cmath>

#include "pictrieve/runtime/token_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "pictrieve/runtime/attention.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <hwy/contrib/math/math-inl.h>

#include "pictrieve/runtime/gemm_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace pictrieve::HWY_NAMESPACE {

constexpr int64_t kQueryBlock = 4 * kTileRows;

int64_t rounded_up(int64_t count) {
  const int64_t cols = tile_cols();
  return (count + cols - 1) / cols * cols;
}

/// Where the pieces of one head lie in the scratch memory.
struct Scratch {
  Scratch(float* memory, int64_t length, int64_t head_dim)
      : key_cols(rounded_up(length)),
        value_cols(rounded_up(head_dim)),
        keys(memory),
        values(keys + key_cols * head_dim),
        scores(values + value_cols * length),
        mixed(scores + kQueryBlock * key_cols) {}

  static int64_t size(int64_t length, int64_t head_dim) {
    return rounded_up(length) * (head_dim + kQueryBlock) + rounded_up(head_dim) * (length + kQueryBlock);
  }

  int64_t key_cols, value_cols;
  float *keys, *values;  ///< packed panels
  float* scores;         ///< (kQueryBlock, key_cols)
  float* mixed;          ///< (kQueryBlock, value_cols)
};

/// Keys transposed into panels of columns, zero beyond the text.
void pack_keys(const float* keys, const AttentionInput& input, const Scratch& scratch) {
  const int64_t cols = tile_cols();
  for (int64_t first = 0; first < scratch.key_cols; first += cols) {
    float* panel = scratch.keys + first * input.head_dim;
    for (int64_t j = 0; j < cols; ++j) {
      const float* row = keys + (first + j) * input.stride;
      const bool real = first + j < input.length;
      for (int64_t k = 0; k < input.head_dim; ++k) panel[k * cols + j] = real ? row[k] : 0.0F;
    }
  }
}

void pack_values(const float* values, const AttentionInput& input, const Scratch& scratch) {
  const int64_t cols = tile_cols();
  for (int64_t first = 0; first < scratch.value_cols; first += cols) {
    float* panel = scratch.values + first * input.length;
    const int64_t valid = std::min(cols, input.head_dim - first);
    for (int64_t j = 0; j < input.length; ++j) {
      const float* row = values + j * input.stride + first;
      std::copy(row, row + valid, panel + j * cols);
      std::fill(panel + j * cols + valid, panel + (j + 1) * cols, 0.0F);
    }
  }
}

/// softmax(factor * scores) over the first `length` numbers of a row padded to whole vectors.
void softmax(float* scores, int64_t length, int64_t padded, float factor) {
  const FloatTag d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  std::fill(scores + length, scores + padded, -1e30F);
  auto highest = hn::Set(d, -1e30F);
  for (int64_t i = 0; i < padded; i += lanes) highest = hn::Max(highest, hn::Load(d, scores + i));
  highest = hn::MaxOfLanes(d, highest);
  auto sum = hn::Zero(d);
  const auto factors = hn::Set(d, factor);
  for (int64_t i = 0; i < padded; i += lanes) {
    const auto value = hn::Exp(d, hn::Mul(hn::Sub(hn::Load(d, scores + i), highest), factors));
    sum = hn::Add(sum, value);
    hn::Store(value, d, scores + i);
  }
  const auto scale = hn::Div(hn::Set(d, 1.0F), hn::SumOfLanes(d, sum));
  for (int64_t i = 0; i < padded; i += lanes) hn::Store(hn::Mul(hn::Load(d, scores + i), scale), d, scores + i);
}

void attend_head(const AttentionInput& input, int64_t offset, const Scratch& scratch, float* out) {
  const int64_t cols = tile_cols(), out_stride = int64_t{input.heads} * input.head_dim;
  const float factor = 1.0F / std::sqrt(static_cast<float>(input.head_dim));
  pack_keys(input.keys + offset, input, scratch);
  pack_values(input.values + offset, input, scratch);
  for (int64_t begin = 0; begin < input.length; begin += kQueryBlock) {
    const int64_t rows = std::min(kQueryBlock, input.length - begin);
    const float* queries = input.queries + offset + begin * input.stride;
    for (int64_t j = 0; j < scratch.key_cols; j += cols) {
      multiply_panel(queries, input.stride, scratch.keys + j * input.head_dim, input.head_dim, rows, {},
                     scratch.scores + j, scratch.key_cols);
    }
    for (int64_t i = 0; i < rows; ++i)
      softmax(scratch.scores + i * scratch.key_cols, input.length, scratch.key_cols, factor);
    for (int64_t j = 0; j < scratch.value_cols; j += cols) {
      multiply_panel(scratch.scores, scratch.key_cols, scratch.values + j * input.length, input.length, rows, {},
                     scratch.mixed + j, scratch.value_cols);
    }
    for (int64_t i = 0; i < rows; ++i) {
      const float* row = scratch.mixed + i * scratch.value_cols;
      std::copy(row, row + input.head_dim, out + offset + (begin + i) * out_stride);
    }
  }
}

int64_t attention_scratch(int64_t length, int head_dim) { return Scratch::size(length, head_dim); }

void attend(const AttentionInput& input, float* memory, float* out) {
  const Scratch scratch(memory, input.length, input.head_dim);
  for (int64_t head = 0; head < input.heads; ++head) attend_head(input, head * input.head_dim, scratch, out);
}

}  // namespace pictrieve::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pictrieve {

HWY_EXPORT(attention_scratch);
HWY_EXPORT(attend);

int64_t attention_scratch(int64_t length, int head_dim) {
  return HWY_DYNAMIC_DISPATCH(attention_scratch)(length, head_dim);
}

void attend(const AttentionInput& input, float* scratch, float* out) {
  HWY_DYNAMIC_DISPATCH(attend)(input, scratch, out);
}

}  // namespace pictrieve
#endif
