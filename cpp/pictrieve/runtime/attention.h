// Softmax attention within one text or one window of a picture, one thread.
#pragma once

#include <cstdint>

#include "pictrieve/nn/operation.h"
#include "pictrieve/runtime/row_view.h"

namespace pictrieve {

/// Queries, keys and values of one text: rows of `heads` x `head_dim` numbers.
struct AttentionInput {
  RowView queries{};
  RowView keys{};
  RowView values{};
  int64_t query_count = 0;
  int64_t length = 0;  ///< keys and values
  int heads = 1;
  int head_dim = 0;
  double scale = 0;     ///< 1 / sqrt(head_dim) where it is 0
  bool causal = false;  ///< query i sees the keys 0 to i
  int64_t reach = 0;    ///< where positive, query i sees the keys i - reach to i + reach
  /// Added to the scaled score of head h, query i and key j: bias[h * bias_head + i * bias_query + j]. So it may be a
  /// table (heads, queries, keys), or where only j - i counts, one strip for each head with bias_query = -1.
  const float* bias = nullptr;
  int64_t bias_head = 0;
  int64_t bias_query = 0;
  /// One for each token where queries and keys are the same tokens: those of different regions do not see each other.
  const int32_t* regions = nullptr;
};

/// With the heads, scale, causal and reach of an attention over rows of `width` numbers; the rest is left to fill in.
AttentionInput attention_input(const AttentionOptions& options, int64_t width);

/// Floats of scratch memory that attend() wants for this many keys.
int64_t attention_scratch(int64_t length, int head_dim);

/// Writes out (query_count, heads * head_dim). `scratch` is 64-byte aligned. Causal and local attention skip the blocks
/// of keys that no query of a block sees.
void attend(const AttentionInput& input, float* scratch, float* out);

}  // namespace pictrieve
