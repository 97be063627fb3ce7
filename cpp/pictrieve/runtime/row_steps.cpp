// Steps on rows: pixels with channels last, tokens and vectors.
#include <algorithm>
#include <memory>
#include <utility>

#include "pictrieve/base/error.h"
#include "pictrieve/runtime/image_plan_builder.h"
#include "pictrieve/runtime/picture_kernels.h"
#include "pictrieve/runtime/row_operations.h"

namespace pictrieve {

/// A row operation on these inputs, of which the second may be one row for all.
ImagePlanBuilder::Tensor ImagePlanBuilder::execute_by_rows(const Node& node, const std::vector<Tensor>& inputs,
                                                           const Shape& shape, const Tensor& result) {
  const auto operation = std::make_shared<Node>(node);
  PackedMatrix matrix;
  if (node.kind == OpKind::Linear) {
    matrix = weights_.matrix(node.weights[0], node.weights[1]);
    operation->weights.clear();
  }
  std::vector<RowMemory> sources;
  for (const Tensor& input : inputs) sources.emplace_back(input.memory);
  const RowMemory target(result.memory);
  const bool one_for_all = node.kind == OpKind::Multiply && shapes_[node.inputs[1]].rows() == 1;
  const Shape made = shape;
  const auto execute = [=] {
    RowOperands operands{.rows = made.rows(), .width = made.channels, .matrix = &matrix, .out = target.data()};
    for (size_t i = 0; i < sources.size(); ++i) operands.inputs[i] = sources[i].view();
    if (one_for_all) operands.inputs[1].stride = 0;
    execute_row_operation(*operation, operands);
  };
  std::vector<Tensor> touched = inputs;
  touched.push_back(result);
  work(execute, touched);
  return result;
}

ImagePlanBuilder::Tensor ImagePlanBuilder::row_operation(int index) {
  const Node& node = graph_.nodes[index];
  std::vector<Tensor> inputs;
  for (const int input : node.inputs) inputs.push_back(rows(input));
  // A product of matrices may be written over what is added to it, anything else over its first input.
  const size_t under = node.kind == OpKind::Linear ? 1 : 0;
  if (under < inputs.size() && can_take(index, under, inputs[under]))
    return execute_by_rows(node, inputs, shapes_[index], inputs[under]);
  return execute_by_rows(node, inputs, shapes_[index], new_tensor(row_layout(shapes_[index])));
}

bool ImagePlanBuilder::can_take(int index, size_t place, const Tensor& tensor) const {
  const Node& node = graph_.nodes[index];
  const int under = node.inputs[place];
  for (size_t i = 0; i < node.inputs.size(); ++i)
    if (i != place && origin_[node.inputs[i]] == origin_[under]) return false;
  const bool whole = row_stride(tensor.memory.get_desc()) == shapes_[index].channels;
  return whole && shapes_[under] == shapes_[index] && may_overwrite(under, index);
}

ImagePlanBuilder::Tensor ImagePlanBuilder::add_grid(int index) {
  const Shape& shape = shapes_[index];
  const Weight grid = graph_.nodes[index].grid(shape.height, shape.width);
  require(grid.count() == shape.count(), "grid: expected ", shape.rows(), " x ", shape.channels, " numbers, got ",
          grid.count());
  plan_.kept_.push_back(grid);
  const Tensor addend{dnnl::memory(row_layout(shape), cpu_engine(), const_cast<float*>(grid.data)), -1};
  Node sum = graph_.nodes[index];
  sum.kind = OpKind::Add;
  return execute_by_rows(sum, {rows(sum.inputs[0]), addend}, shape, new_tensor(row_layout(shape)));
}

/// Some of the rows, or some columns of each, where they are.
ImagePlanBuilder::Tensor ImagePlanBuilder::part_of_rows(int index) {
  const Node& node = graph_.nodes[index];
  const Shape& shape = shapes_[index];
  const Tensor whole = rows(node.inputs[0]);
  const Desc layout = whole.memory.get_desc();
  const int64_t stride = row_stride(layout), length = shapes_[node.inputs[0]].rows();
  int64_t row = 0;
  if (node.kind == OpKind::Picture) row = node.count;
  if (node.kind == OpKind::Token) row = node.count < 0 ? length + node.count : node.count;
  const int64_t column = node.kind == OpKind::Columns ? node.begin : 0;
  return view(whole, row_layout(shape, stride, row_offset(layout) + row * stride + column));
}

ImagePlanBuilder::Tensor ImagePlanBuilder::flatten(int index) {
  const int source = graph_.nodes[index].inputs[0];
  return view(as(source, plain_layout(shapes_[source])), row_layout(shapes_[index]));
}

ImagePlanBuilder::Tensor ImagePlanBuilder::move_rows(int index) {
  const Node& node = graph_.nodes[index];
  const int source = node.inputs[0];
  const bool rolls = node.kind == OpKind::Roll;
  if (!rolls && shapes_[source] == shapes_[index]) return values_[source].front();  // nothing moves
  const Tensor given = rows(source), result = new_tensor(row_layout(shapes_[index]));
  const RowMemory from(given.memory), to(result.memory);
  const auto index_of = moved_rows(node, shapes_[source], shapes_[index]);
  const int64_t width = shapes_[source].channels;
  work([=] { gather_rows(from.view(), index_of, width, to.data()); }, {given, result});
  return result;
}

ImagePlanBuilder::Tensor ImagePlanBuilder::mean_of_cells(int index) {
  const Node& node = graph_.nodes[index];
  const int source = node.inputs[0];
  const Shape shape = shapes_[source];
  if (node.kind == OpKind::AdaptiveAvgPool && shape == shapes_[index]) return values_[source].front();
  std::vector<Cell> cells;
  if (node.kind == OpKind::AvgPool) cells = window_cells(shape, node.pool);
  if (node.kind == OpKind::AdaptiveAvgPool) cells = adaptive_cells(shape, node.rows, node.columns);
  if (node.kind == OpKind::MeanTokens) cells = {{node.count, shape.rows(), 0, 1, shape.rows() - node.count}};
  const Tensor given = rows(source), result = new_tensor(row_layout(shapes_[index]));
  const RowMemory from(given.memory), to(result.memory);
  work([=] { pictrieve::mean_of_cells(from.view(), shape, cells, to.data()); }, {given, result});
  return result;
}

ImagePlanBuilder::Tensor ImagePlanBuilder::join(int index) {
  const Node& node = graph_.nodes[index];
  const Tensor result = new_tensor(row_layout(shapes_[index]));
  const RowMemory to(result.memory);
  const int64_t width = shapes_[index].channels;
  std::vector<Tensor> touched{result};
  std::vector<std::pair<RowMemory, int64_t>> parts;
  for (const int input : node.inputs) {
    touched.push_back(rows(input));
    parts.emplace_back(RowMemory(touched.back().memory), shapes_[input].rows());
  }
  const auto copy = [=] {
    float* out = to.data();
    for (const auto& [part, count] : parts)
      for (int64_t i = 0; i < count; ++i, out += width) std::copy_n(part.view().row(i), width, out);
  };
  work(copy, touched);
  return result;
}

}  // namespace pictrieve
