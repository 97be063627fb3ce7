// The operations of text networks that are not matrix products, one thread each.
#pragma once

#include <cstdint>

#include "pictrieve/base/matrix.h"
#include "pictrieve/nn/graph.h"

namespace pictrieve {

/// Layer normalisation of each row; `out` may be `x`.
struct NormWeights {
  const float* scale = nullptr;
  const float* shift = nullptr;
  double epsilon = 0;
};
void layer_norm_rows(MatrixView<const float> x, const NormWeights& weights, float* out);

/// Adds the rows of `x`, in order, into `out` and divides by their number.
void mean_of_rows(MatrixView<const float> x, float* out);

void add_values(const float* a, const float* b, int64_t count, float* out);

void activate_rows(float* values, int64_t count, Activation activation);

/// Queries, keys and values of one text: `length` rows each, `stride` apart, `heads` x `head_dim` numbers a row.
struct AttentionInput {
  const float* queries = nullptr;
  const float* keys = nullptr;
  const float* values = nullptr;
  int64_t stride = 0;
  int64_t length = 0;
  int heads = 0;
  int head_dim = 0;
};

/// Floats of scratch memory that attend() wants for a text of this length.
int64_t attention_scratch(int64_t length, int head_dim);

/// Softmax attention within one text: out (length, heads * head_dim). `scratch` is 64-byte aligned.
void attend(const AttentionInput& input, float* scratch, float* out);

}  // namespace pictrieve
