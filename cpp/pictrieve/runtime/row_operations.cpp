#include "pictrieve/runtime/row_operations.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "pictrieve/base/error.h"
#include "pictrieve/runtime/token_kernels.h"

namespace pictrieve {
namespace {

void check_width(const char* subject, int64_t expected, int64_t got) {
  require(expected == got, subject, ": expected rows of ", expected, " numbers, got ", got);
}

int64_t attention_width(std::span<const int64_t> inputs, int64_t heads) {
  const int64_t width = inputs.size() == 1 ? inputs[0] / 3 : inputs[0];
  require(width % heads == 0 && (inputs.size() != 1 || inputs[0] == 3 * width), "attention: expected ", heads,
          " heads of one size, got ", width, " numbers");
  for (size_t i = 1; i < inputs.size(); ++i) check_width("attention", width, inputs[i]);
  return width;
}

/// Calls function(row, count) with all rows at once where they lie without gaps, else with one row after the other.
template <class F>
void for_rows(const RowOperands& operands, bool dense, const F& function) {
  if (dense) return function(0, operands.rows * operands.width);
  for (int64_t i = 0; i < operands.rows; ++i) function(i, operands.width);
}

void copy_rows(const RowView& from, const RowOperands& operands) {
  if (from.data == operands.out) return;
  for_rows(operands, from.stride == operands.width, [&](int64_t i, int64_t count) {
    std::copy(from.row(i), from.row(i) + count, operands.out + i * operands.width);
  });
}

/// out = combine(first, second), number by number.
template <class F>
void combine_rows(const RowOperands& operands, const RowView& first, const RowView& second, const F& combine) {
  const bool dense = first.stride == operands.width && second.stride == operands.width;
  for_rows(operands, dense, [&](int64_t i, int64_t count) {
    combine(first.row(i), second.row(i), count, operands.out + i * operands.width);
  });
}

void linear(const Node& node, const RowOperands& operands) {
  const auto& [x, residual] = operands.inputs;
  const bool later = residual.data && residual.stride != operands.width;  // the product adds only rows without gaps
  const LinearOptions options{later ? nullptr : residual.data, later ? Activation::None : node.activation, x.stride};
  multiply(x.data, operands.rows, *operands.matrix, options, operands.out);
  if (!later) return;
  combine_rows(operands, {operands.out, operands.width}, residual, add_values);
  activate_rows(operands.out, operands.rows * operands.width, node.activation);
}

void embed(const Node& node, const RowOperands& operands) {
  for (int64_t i = 0; i < operands.rows; ++i) {
    const float* entry = node.weights[0].data + operands.ids[i] * operands.width;
    float* out = operands.out + i * operands.width;
    if (operands.inputs[1].data) {
      add_values(operands.inputs[1].row(i), entry, operands.width, out);
    } else {
      std::copy(entry, entry + operands.width, out);
    }
  }
}

void rotate(const Node& node, const RowOperands& operands) {
  const int64_t heads = node.attention.heads, half = operands.width / heads / 2;
  // Angles in float32, as the networks that were trained with them had them.
  std::vector<float> frequencies(half), cosines(half), sines(half);
  for (int64_t i = 0; i < half; ++i)
    frequencies[i] = 1 / std::pow(static_cast<float>(node.base), static_cast<float>(i) / static_cast<float>(half));
  for (int64_t r = 0; r < operands.rows; ++r) {
    for (int64_t i = 0; i < half; ++i) {
      const float angle = static_cast<float>(operands.ids[r]) * frequencies[i];
      cosines[i] = std::cos(angle);
      sines[i] = std::sin(angle);
    }
    rotate_row(operands.inputs[0].row(r), {cosines.data(), sines.data(), heads, half},
               operands.out + r * operands.width);
  }
}

void normalise(const Node& node, const RowOperands& operands) {
  const NormWeights weights{node.weights[0].data, node.weights[1].data, node.epsilon};
  layer_norm_rows(operands.inputs[0], {operands.rows, operands.width}, weights, operands.out);
}

}  // namespace

bool is_row_operation(OpKind kind) {
  switch (kind) {
    case OpKind::Linear:
    case OpKind::LayerNorm:
    case OpKind::Embedding:
    case OpKind::Rotary:
    case OpKind::Add:
    case OpKind::Multiply:
    case OpKind::Scale:
    case OpKind::Columns:
    case OpKind::Activate:
      return true;
    default:
      return false;
  }
}

int64_t row_width(const Node& node, std::span<const int64_t> inputs) {
  switch (node.kind) {
    case OpKind::Linear:
      check_width("linear", node.weights[0].shape[1], inputs[0]);
      return node.weights[0].shape[0];
    case OpKind::Embedding:
      return node.weights[0].shape[1];
    case OpKind::LayerNorm:
    case OpKind::Scale:
      check_width(node.kind == OpKind::Scale ? "scale" : "layer norm", node.weights[0].count(), inputs[0]);
      return inputs[0];
    case OpKind::Add:
    case OpKind::Multiply:
      check_width(node.kind == OpKind::Add ? "add" : "multiply", inputs[0], inputs[1]);
      return inputs[0];
    case OpKind::Columns:
      require(node.begin >= 0 && node.count >= 1 && node.begin + node.count <= inputs[0],
              "columns: expected a part of ", inputs[0], " numbers, got ", node.count, " from ", node.begin);
      return node.count;
    case OpKind::Rotary:
      require(inputs[0] % (2 * int64_t{node.attention.heads}) == 0, "rotary: expected ", node.attention.heads,
              " heads of an even size, got ", inputs[0], " numbers");
      return inputs[0];
    case OpKind::Attention:
      return attention_width(inputs, node.attention.heads);
    case OpKind::Activate:
      return inputs[0];
    default:
      break;
  }
  throw std::invalid_argument(
      message("operation ", static_cast<int>(node.kind), ": expected one that works on rows of numbers"));
}

void execute_row_operation(const Node& node, const RowOperands& operands) {
  const auto& [first, second] = operands.inputs;
  switch (node.kind) {
    case OpKind::Linear:
      return linear(node, operands);
    case OpKind::LayerNorm:
      normalise(node, operands);
      break;
    case OpKind::Embedding:
      embed(node, operands);
      break;
    case OpKind::Rotary:
      rotate(node, operands);
      break;
    case OpKind::Add:
      combine_rows(operands, first, second, add_values);
      break;
    case OpKind::Multiply:
      combine_rows(operands, first, second, multiply_values);
      break;
    case OpKind::Scale:
      combine_rows(operands, first, {node.weights[0].data, 0}, multiply_values);
      break;
    case OpKind::Columns:
      copy_rows(first.columns(node.begin), operands);
      break;
    default:
      copy_rows(first, operands);
  }
  activate_rows(operands.out, operands.rows * operands.width, node.activation);
}

}  // namespace pictrieve
