#include "pictrieve/runtime/value_shapes.h"

#include <algorithm>

#include "pictrieve/base/error.h"
#include "pictrieve/runtime/row_operations.h"

namespace pictrieve {
namespace {

Shape convolved(const Node& node, const Shape& x) {
  const std::vector<int64_t>& kernel = node.weights[0].shape;
  require(kernel[1] * node.conv.groups == x.channels, "convolution: expected ", kernel[1] * node.conv.groups,
          " channels, got ", x.channels);
  const PaddedAxis rows = padded_axis(x.height, kernel[2], node.conv, node.conv.padding.y);
  const PaddedAxis columns = padded_axis(x.width, kernel[3], node.conv, node.conv.padding.x);
  return {kernel[0], rows.out, columns.out};
}

Shape pooled(const PoolOptions& options, const Shape& x) {
  return {x.channels, pooled_axis(x.height, options, options.padding.y).out,
          pooled_axis(x.width, options, options.padding.x).out};
}

Shape joined_channels(const std::vector<Shape>& inputs) {
  Shape all = inputs[0];
  for (size_t i = 1; i < inputs.size(); ++i) {
    require(inputs[i].height == all.height && inputs[i].width == all.width, "concat: expected ", all.height, " x ",
            all.width, " pixels, got ", inputs[i].height, " x ", inputs[i].width);
    all.channels += inputs[i].channels;
  }
  return all;
}

Shape joined_tokens(const std::vector<Shape>& inputs) {
  Shape all{inputs[0].channels, 0, 1};
  for (const Shape& part : inputs) {
    require(part.channels == all.channels, "join: expected tokens of ", all.channels, " numbers, got ", part.channels);
    all.height += part.rows();
  }
  return all;
}

int64_t next_multiple(int64_t size, int64_t multiple) { return (size + multiple - 1) / multiple * multiple; }

/// Row operations and attention: as many rows as their input has, of a width that the kernels know.
Shape by_rows(const Node& node, const std::vector<Shape>& inputs) {
  std::vector<int64_t> widths;
  for (const Shape& input : inputs) widths.push_back(input.channels);
  const bool broadcast = node.kind == OpKind::Multiply && inputs.size() > 1 && inputs[1].rows() == 1;
  if (inputs.size() > 1 && !broadcast && node.kind != OpKind::AttentionPool)
    require(inputs[1].rows() == inputs[0].rows(), "operation on two values: expected ", inputs[0].rows(), " rows, got ",
            inputs[1].rows());
  return {row_width(node, widths), inputs[0].height, inputs[0].width};
}

/// A smaller grid, or one vector.
Shape reduced(const Node& node, const Shape& x) {
  if (node.kind == OpKind::AdaptiveAvgPool) return {x.channels, node.rows, node.columns};
  return {node.kind == OpKind::Flatten ? x.count() : x.channels, 1, 1};
}

Shape shape_of(const Node& node, const std::vector<Shape>& inputs) {
  const Shape x = inputs.empty() ? Shape{} : inputs[0];
  switch (node.kind) {
    case OpKind::Constant:
      return {node.weights[0].shape[1], node.weights[0].shape[0], 1};
    case OpKind::Conv2d:
      return convolved(node, x);
    case OpKind::BatchNorm:
    case OpKind::AddGrid:
    case OpKind::Roll:
      return x;
    case OpKind::MaxPool:
    case OpKind::AvgPool:
      return pooled(node.pool, x);
    case OpKind::AdaptiveAvgPool:
    case OpKind::GlobalPool:
    case OpKind::Flatten:
    case OpKind::Token:
    case OpKind::MeanTokens:
    case OpKind::AttentionPool:
      return reduced(node, x);
    case OpKind::Concat:
      return joined_channels(inputs);
    case OpKind::UpsampleLike:
    case OpKind::CropLike:
    case OpKind::Picture:
      return {x.channels, inputs[1].height, inputs[1].width};
    case OpKind::PadToMultiple:
      return {x.channels, next_multiple(x.height, node.count), next_multiple(x.width, node.count)};
    case OpKind::SpaceToDepth:
      return {4 * x.channels, x.height / 2, x.width / 2};
    case OpKind::Tokens:
      return {x.channels, x.rows(), 1};
    case OpKind::Join:
      return joined_tokens(inputs);
    default:
      require(node.kind == OpKind::Attention || is_row_operation(node.kind), "image plan: operation ",
              static_cast<int>(node.kind), " does not work on pictures");
      return by_rows(node, inputs);
  }
}

/// What a shape of the result does not tell.
void check(const Node& node, const Shape& x, const Shape& made) {
  if (node.kind == OpKind::SpaceToDepth)
    require(x.height % 2 == 0 && x.width % 2 == 0, "space to depth: expected even sides, got ", x.height, " x ",
            x.width);
  if (node.kind == OpKind::Picture)
    require(x.rows() == node.count + made.rows(), "picture of tokens: expected ", node.count + made.rows(),
            " tokens, got ", x.rows());
  if (node.kind == OpKind::Token)
    require(node.count < x.rows() && -node.count <= x.rows(), "token ", node.count, ": there are ", x.rows());
  if (node.kind == OpKind::MeanTokens) require(node.count < x.rows(), "mean of tokens: there are ", x.rows());
  if (node.kind == OpKind::CropLike)
    require(x.height >= made.height && x.width >= made.width, "crop: expected at least ", made.height, " x ",
            made.width, ", got ", x.height, " x ", x.width);
  const int64_t window = node.attention.window;
  if (node.kind == OpKind::Attention && window > 0)
    require(x.height % window == 0 && x.width % window == 0,
            "attention in windows: expected sides that are multiples of ", window, ", got ", x.height, " x ", x.width);
}

}  // namespace

std::vector<Shape> value_shapes(const Graph& graph, int64_t height, int64_t width) {
  std::vector<Shape> shapes;
  for (const Node& node : graph.nodes) {
    std::vector<Shape> inputs;
    for (const int input : node.inputs) inputs.push_back(shapes[input]);
    const Shape made = node.kind == OpKind::Input ? Shape{3, height, width} : shape_of(node, inputs);
    if (!inputs.empty()) check(node, inputs[0], made);
    require(made.height > 0 && made.width > 0, "a picture of ", height, " x ", width, " is too small");
    shapes.push_back(made);
  }
  return shapes;
}

}  // namespace pictrieve
