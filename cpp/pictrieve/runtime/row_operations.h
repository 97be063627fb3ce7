// One operation over rows of numbers (tokens, the pixels of a picture with channels last, pooled pictures): what the
// plans for texts and for pictures share. One thread; attention is in attention.h.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "pictrieve/nn/graph.h"
#include "pictrieve/runtime/gemm.h"
#include "pictrieve/runtime/row_view.h"

namespace pictrieve {

/// Whether execute_row_operation() knows this kind: Linear, LayerNorm, Embedding, Rotary, Add, Multiply, Scale, Columns
/// and Activate.
bool is_row_operation(OpKind kind);

/// Numbers in a row of the result of a row operation or of an Attention (merged: of one input three times as wide).
/// `input_widths` are those of the node's inputs, in order, 0 for ids. Throws std::invalid_argument where they do not
/// fit the node.
int64_t row_width(const Node& node, std::span<const int64_t> input_widths);

struct RowOperands {
  int64_t rows = 0;
  int64_t width = 0;  ///< of the result, see row_width()
  /// The node's inputs in order, as rows. The second may repeat one row (stride 0): a picture times a vector, say. One
  /// that holds ids (the first of an Embedding, the second of a Rotary) is left empty.
  std::array<RowView, 2> inputs{};
  const int32_t* ids = nullptr;          ///< an id or position for each row
  const PackedMatrix* matrix = nullptr;  ///< of a Linear, whose own weights are not read
  float* out = nullptr;  ///< (rows, width) without gaps; may be an input of that shape, but not a Linear's first
};

/// Computes `node` and its activation. A second input of a Linear or Embedding is added before the activation.
void execute_row_operation(const Node& node, const RowOperands& operands);

}  // namespace pictrieve
