#include "pictrieve/runtime/attention.h"

#include <algorithm>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "pictrieve/runtime/attention.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <hwy/contrib/math/math-inl.h>

#include "pictrieve/runtime/gemm_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace pictrieve::HWY_NAMESPACE {

constexpr int64_t kQueryBlock = 4 * kTileRows;
constexpr float kUnseen = -1e30F;  // not -inf: less itself it must give 0

int64_t rounded_up(int64_t count) {
  const int64_t cols = tile_cols();
  return (count + cols - 1) / cols * cols;
}

/// Where the pieces of one head lie in the scratch memory.
struct Scratch {
  Scratch(float* memory, int64_t length, int64_t head_dim)
      : key_cols(rounded_up(length)),
        value_cols(rounded_up(head_dim)),
        score_stride(stride_of_scores(length)),
        keys(memory),
        values(keys + key_cols * head_dim),
        scores(values + value_cols * length),
        mixed(scores + kQueryBlock * score_stride) {}

  /// One vector more than the scores, so that the rows of a tile do not compete for the same lines of the cache.
  static int64_t stride_of_scores(int64_t length) { return rounded_up(length) + tile_cols() / 2; }
  static int64_t size(int64_t length, int64_t head_dim) {
    return rounded_up(length) * head_dim + stride_of_scores(length) * kQueryBlock +
           rounded_up(head_dim) * (length + kQueryBlock);
  }

  int64_t key_cols, value_cols, score_stride;
  float *keys, *values;  ///< packed panels
  float* scores;         ///< (kQueryBlock, score_stride)
  float* mixed;          ///< (kQueryBlock, value_cols)
};

/// A range of keys.
struct Span {
  int64_t begin = 0;
  int64_t end = 0;
};

/// The keys that query `i` sees as far as their places tell.
Span keys_seen(const AttentionInput& input, int64_t i) {
  Span seen{0, input.length};
  if (input.reach > 0) seen = {std::max<int64_t>(0, i - input.reach), std::min(input.length, i + input.reach + 1)};
  if (input.causal) seen.end = std::min(seen.end, i + 1);
  return seen;
}

/// Keys transposed into panels of columns, zero beyond the text.
void pack_keys(const RowView& keys, const AttentionInput& input, const Scratch& scratch) {
  const int64_t cols = tile_cols();
  for (int64_t first = 0; first < scratch.key_cols; first += cols) {
    float* panel = scratch.keys + first * input.head_dim;
    for (int64_t j = 0; j < cols; ++j) {
      const bool real = first + j < input.length;
      const float* row = real ? keys.row(first + j) : nullptr;
      for (int64_t k = 0; k < input.head_dim; ++k) panel[k * cols + j] = real ? row[k] : 0.0F;
    }
  }
}

void pack_values(const RowView& values, const AttentionInput& input, const Scratch& scratch) {
  const int64_t cols = tile_cols();
  for (int64_t first = 0; first < scratch.value_cols; first += cols) {
    float* panel = scratch.values + first * input.length;
    const int64_t valid = std::min(cols, input.head_dim - first);
    for (int64_t j = 0; j < input.length; ++j) {
      const float* row = values.row(j) + first;
      std::copy(row, row + valid, panel + j * cols);
      std::fill(panel + j * cols + valid, panel + (j + 1) * cols, 0.0F);
    }
  }
}

/// softmax(factor * scores) over whole vectors.
void softmax(float* scores, int64_t count, float factor) {
  const FloatTag d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  auto highest = hn::Set(d, kUnseen);
  for (int64_t i = 0; i < count; i += lanes) highest = hn::Max(highest, hn::Load(d, scores + i));
  highest = hn::MaxOfLanes(d, highest);
  auto sum = hn::Zero(d);
  const auto factors = hn::Set(d, factor);
  for (int64_t i = 0; i < count; i += lanes) {
    const auto value = hn::Exp(d, hn::Mul(hn::Sub(hn::Load(d, scores + i), highest), factors));
    sum = hn::Add(sum, value);
    hn::Store(value, d, scores + i);
  }
  const auto scale = hn::Div(hn::Set(d, 1.0F), hn::SumOfLanes(d, sum));
  for (int64_t i = 0; i < count; i += lanes) hn::Store(hn::Mul(hn::Load(d, scores + i), scale), d, scores + i);
}

/// scores = factor * scores + bias
void add_bias(float* scores, int64_t count, float factor, const float* bias) {
  const FloatTag d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto factors = hn::Set(d, factor);
  int64_t j = 0;
  for (; j + lanes <= count; j += lanes)
    hn::StoreU(hn::MulAdd(hn::LoadU(d, scores + j), factors, hn::LoadU(d, bias + j)), d, scores + j);
  for (; j < count; ++j) scores[j] = scores[j] * factor + bias[j];
}

/// The shares of the keys of `block` (scores[0] is that of its first) for query `i`; its end is rounded up to panels.
void weigh_keys(const AttentionInput& input, int64_t head, int64_t i, const Span& block, float* scores) {
  const Span seen = keys_seen(input, i);
  float factor =
      input.scale > 0 ? static_cast<float>(input.scale) : 1.0F / std::sqrt(static_cast<float>(input.head_dim));
  float* first = scores - block.begin;  // by key
  if (input.bias) {
    const float* bias = input.bias + head * input.bias_head + i * input.bias_query;
    add_bias(first + seen.begin, seen.end - seen.begin, factor, bias + seen.begin);
    factor = 1;
  }
  if (input.regions) {
    for (int64_t j = seen.begin; j < seen.end; ++j)
      if (input.regions[j] != input.regions[i]) first[j] = kUnseen;
  }
  const int64_t padded = rounded_up(block.end - block.begin);
  std::fill(scores, first + seen.begin, kUnseen);
  std::fill(first + seen.end, scores + padded, kUnseen);
  softmax(scores, padded, factor);
}

/// Queries [begin, begin + rows) of one head.
void attend_block(const AttentionInput& input, int64_t head, const Span& block, const Scratch& scratch, float* out) {
  const int64_t cols = tile_cols(), rows = block.end - block.begin, offset = head * input.head_dim;
  const int64_t first = keys_seen(input, block.begin).begin / cols * cols;  // the first panel that anyone sees
  const Span keys{first, keys_seen(input, block.end - 1).end};
  const RowView queries = input.queries.from(block.begin).columns(offset);
  for (int64_t j = keys.begin; j < keys.end; j += cols) {
    multiply_panel(queries.data, queries.stride, scratch.keys + j * input.head_dim, input.head_dim, rows, {},
                   scratch.scores + j - keys.begin, scratch.score_stride);
  }
  for (int64_t i = 0; i < rows; ++i)
    weigh_keys(input, head, block.begin + i, keys, scratch.scores + i * scratch.score_stride);
  for (int64_t j = 0; j < scratch.value_cols; j += cols) {
    const float* panel = scratch.values + j * input.length + keys.begin * cols;
    multiply_panel(scratch.scores, scratch.score_stride, panel, keys.end - keys.begin, rows, {}, scratch.mixed + j,
                   scratch.value_cols);
  }
  const int64_t out_stride = int64_t{input.heads} * input.head_dim;
  for (int64_t i = 0; i < rows; ++i) {
    const float* row = scratch.mixed + i * scratch.value_cols;
    std::copy(row, row + input.head_dim, out + offset + (block.begin + i) * out_stride);
  }
}

int64_t attention_scratch(int64_t length, int head_dim) { return Scratch::size(length, head_dim); }

void attend(const AttentionInput& input, float* memory, float* out) {
  const Scratch scratch(memory, input.length, input.head_dim);
  for (int64_t head = 0; head < input.heads; ++head) {
    pack_keys(input.keys.columns(head * input.head_dim), input, scratch);
    pack_values(input.values.columns(head * input.head_dim), input, scratch);
    for (int64_t begin = 0; begin < input.query_count; begin += kQueryBlock)
      attend_block(input, head, {begin, std::min(begin + kQueryBlock, input.query_count)}, scratch, out);
  }
}

}  // namespace pictrieve::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pictrieve {

HWY_EXPORT(attention_scratch);
HWY_EXPORT(attend);

AttentionInput attention_input(const AttentionOptions& options, int64_t width) {
  AttentionInput input;
  input.heads = options.heads;
  input.head_dim = static_cast<int>(width / options.heads);
  input.scale = options.scale;
  input.causal = options.causal;
  input.reach = options.reach;
  return input;
}

int64_t attention_scratch(int64_t length, int head_dim) {
  return HWY_DYNAMIC_DISPATCH(attention_scratch)(length, head_dim);
}

void attend(const AttentionInput& input, float* scratch, float* out) {
  HWY_DYNAMIC_DISPATCH(attend)(input, scratch, out);
}

}  // namespace pictrieve
#endif
