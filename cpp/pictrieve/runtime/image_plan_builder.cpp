#include "pictrieve/runtime/image_plan_builder.h"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "pictrieve/base/error.h"
#include "pictrieve/base/matrix.h"

namespace pictrieve {
namespace {

using dnnl::memory;

/// Kinds whose result may be their first input's memory, seen otherwise.
bool may_share(OpKind kind) {
  switch (kind) {
    case OpKind::Tokens:
    case OpKind::Picture:
    case OpKind::Token:
    case OpKind::Columns:
    case OpKind::Flatten:
    case OpKind::AdaptiveAvgPool:
    case OpKind::UpsampleLike:
    case OpKind::PadToMultiple:
    case OpKind::CropLike:
      return true;
    default:
      return false;
  }
}

}  // namespace

ImagePlanBuilder::ImagePlanBuilder(const Graph& graph, PackedWeights& weights, ImagePlan& plan)
    : graph_(graph),
      weights_(weights),
      plan_(plan),
      origin_(graph.nodes.size()),
      last_reader_(graph.nodes.size(), -1),
      values_(graph.nodes.size()) {
  for (int i = 0; i < static_cast<int>(graph.nodes.size()); ++i) {
    const Node& node = graph.nodes[i];
    origin_[i] = may_share(node.kind) ? origin_[node.inputs[0]] : i;
    for (const int input : node.inputs) last_reader_[origin_[input]] = i;
  }
  for (const auto& [name, node] : graph.outputs) last_reader_[origin_[node]] = std::numeric_limits<int>::max();
}

void ImagePlanBuilder::build(int height, int width) {
  shapes_ = value_shapes(graph_, height, width);
  for (size_t i = 0; i < graph_.nodes.size(); ++i) values_[i] = {make(static_cast<int>(i))};
  write_outputs();
  place_buffers();
}

ImagePlanBuilder::Tensor ImagePlanBuilder::make(int index) {
  using Make = Tensor (ImagePlanBuilder::*)(int);
  static const std::map<OpKind, Make> kinds{
      {OpKind::Input, &ImagePlanBuilder::pixels},
      {OpKind::Constant, &ImagePlanBuilder::constant},
      {OpKind::Conv2d, &ImagePlanBuilder::convolution},
      {OpKind::MaxPool, &ImagePlanBuilder::pool},
      {OpKind::AvgPool, &ImagePlanBuilder::pool},
      {OpKind::GlobalPool, &ImagePlanBuilder::pool},
      {OpKind::AdaptiveAvgPool, &ImagePlanBuilder::mean_of_cells},
      {OpKind::MeanTokens, &ImagePlanBuilder::mean_of_cells},
      {OpKind::Concat, &ImagePlanBuilder::concat},
      {OpKind::Flatten, &ImagePlanBuilder::flatten},
      {OpKind::Tokens, &ImagePlanBuilder::part_of_rows},
      {OpKind::Picture, &ImagePlanBuilder::part_of_rows},
      {OpKind::Token, &ImagePlanBuilder::part_of_rows},
      {OpKind::Columns, &ImagePlanBuilder::part_of_rows},
      {OpKind::UpsampleLike, &ImagePlanBuilder::move_rows},
      {OpKind::PadToMultiple, &ImagePlanBuilder::move_rows},
      {OpKind::CropLike, &ImagePlanBuilder::move_rows},
      {OpKind::Roll, &ImagePlanBuilder::move_rows},
      {OpKind::SpaceToDepth, &ImagePlanBuilder::move_rows},
      {OpKind::Join, &ImagePlanBuilder::join},
      {OpKind::AddGrid, &ImagePlanBuilder::add_grid},
      {OpKind::Add, &ImagePlanBuilder::combine},
      {OpKind::Multiply, &ImagePlanBuilder::combine},
      {OpKind::Activate, &ImagePlanBuilder::activation},
      {OpKind::Attention, &ImagePlanBuilder::attention},
      {OpKind::AttentionPool, &ImagePlanBuilder::attention},
  };
  const auto found = kinds.find(graph_.nodes[index].kind);
  return found == kinds.end() ? row_operation(index) : (this->*found->second)(index);
}

ImagePlanBuilder::Tensor ImagePlanBuilder::pixels(int index) {
  plan_.input_ = memory(plain_layout(shapes_[index]), cpu_engine(), DNNL_MEMORY_NONE);
  return {plan_.input_, -1};
}

ImagePlanBuilder::Tensor ImagePlanBuilder::constant(int index) {
  const Weight& rows = graph_.nodes[index].weights[0];
  plan_.kept_.push_back(rows);
  return {memory(row_layout(shapes_[index]), cpu_engine(), const_cast<float*>(rows.data)), -1};
}

ImagePlanBuilder::Tensor ImagePlanBuilder::new_tensor(const Desc& desc) {
  const int now = static_cast<int>(plan_.steps_.size());
  const memory made(desc, cpu_engine(), DNNL_MEMORY_NONE);
  buffers_.push_back({desc.get_size(), now, now, 0, {made}});
  return {made, static_cast<int>(buffers_.size()) - 1};
}

ImagePlanBuilder::Tensor ImagePlanBuilder::new_scratch(int64_t count) {
  return new_tensor({{count}, memory::data_type::f32, memory::format_tag::a});
}

ImagePlanBuilder::Tensor ImagePlanBuilder::view(const Tensor& tensor, const Desc& desc) {
  if (tensor.memory == plan_.input_) return view(copy_as(tensor, tensor.memory.get_desc()), desc);  // not there yet
  if (tensor.buffer < 0) return {memory(desc, cpu_engine(), tensor.memory.get_data_handle()), -1};
  const memory seen(desc, cpu_engine(), DNNL_MEMORY_NONE);
  buffers_[tensor.buffer].memories.push_back(seen);
  return {seen, tensor.buffer};
}

ImagePlanBuilder::Tensor ImagePlanBuilder::copy_as(const Tensor& tensor, const Desc& desc) {
  const Tensor given = tensor, copied = new_tensor(desc);
  step(dnnl::reorder(given.memory, copied.memory), {{DNNL_ARG_FROM, given.memory}, {DNNL_ARG_TO, copied.memory}},
       {given.buffer, copied.buffer});
  return copied;
}

ImagePlanBuilder::Tensor ImagePlanBuilder::as(int node, const Desc& desc) {
  for (const Tensor& known : values_[node])
    if (known.memory.get_desc() == desc) return known;
  const Tensor given = values_[node].front(), converted = new_tensor(desc);
  step(dnnl::reorder(given.memory, converted.memory), {{DNNL_ARG_FROM, given.memory}, {DNNL_ARG_TO, converted.memory}},
       {given.buffer, converted.buffer});
  values_[node].push_back(converted);
  return converted;
}

ImagePlanBuilder::Tensor ImagePlanBuilder::rows(int node) {
  for (const Tensor& known : values_[node])
    if (row_stride(known.memory.get_desc()) > 0) return known;
  return as(node, row_layout(shapes_[node]));
}

ImagePlanBuilder::Tensor ImagePlanBuilder::dense_rows(int node) {
  for (const Tensor& known : values_[node])
    if (row_stride(known.memory.get_desc()) == shapes_[node].channels) return known;
  return as(node, row_layout(shapes_[node]));
}

bool ImagePlanBuilder::may_overwrite(int node, int reader) const {
  return values_[node].front().buffer >= 0 && last_reader_[origin_[node]] == reader;
}

void ImagePlanBuilder::step(dnnl::primitive primitive, std::unordered_map<int, memory> arguments,
                            const std::vector<int>& buffers) {
  const int now = static_cast<int>(plan_.steps_.size());
  for (const int buffer : buffers)
    if (buffer >= 0) buffers_[buffer].last = now;
  plan_.steps_.push_back({std::move(primitive), std::move(arguments), {}});
}

void ImagePlanBuilder::work(std::function<void()> function, const std::vector<Tensor>& tensors) {
  const int now = static_cast<int>(plan_.steps_.size());
  for (const Tensor& tensor : tensors)
    if (tensor.buffer >= 0) buffers_[tensor.buffer].last = now;
  plan_.steps_.push_back({{}, {}, std::move(function)});
}

void ImagePlanBuilder::write_outputs() {
  for (const auto& [name, node] : graph_.outputs) {
    const Tensor& tensor = values_[node].front();
    const memory plain(plain_layout(shapes_[node]), cpu_engine(), DNNL_MEMORY_NONE);
    plan_.outputs_[name] = plain;
    plan_.shapes_[name] = shapes_[node];
    step(dnnl::reorder(tensor.memory, plain), {{DNNL_ARG_FROM, tensor.memory}, {DNNL_ARG_TO, plain}}, {tensor.buffer});
  }
}

/// First fit: each buffer at the lowest offset that is free during its life, so that the working set stays small.
void ImagePlanBuilder::place_buffers() {
  constexpr size_t kAlignment = 64;
  size_t total = 0;
  std::vector<Buffer*> placed;  // by offset
  for (Buffer& buffer : buffers_) {
    size_t offset = 0;
    for (const Buffer* other : placed) {
      const bool together = other->first <= buffer.last && buffer.first <= other->last;
      if (!together) continue;
      if (offset + buffer.bytes <= other->offset) break;
      offset = std::max(offset, (other->offset + other->bytes + kAlignment - 1) / kAlignment * kAlignment);
    }
    buffer.offset = offset;
    total = std::max(total, offset + buffer.bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), &buffer,
                                   [](const Buffer* a, const Buffer* b) { return a->offset < b->offset; }),
                  &buffer);
  }
  plan_.arena_ = aligned_array<float>(static_cast<int64_t>(total / sizeof(float) + 1));
  auto* base = reinterpret_cast<char*>(plan_.arena_.get());
  for (Buffer& buffer : buffers_)
    for (memory& made : buffer.memories) made.set_data_handle(base + buffer.offset);
}

}  // namespace pictrieve
