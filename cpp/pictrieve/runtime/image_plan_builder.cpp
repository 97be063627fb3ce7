#include "pictrieve/runtime/image_plan_builder.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "pictrieve/base/error.h"
#include "pictrieve/base/matrix.h"

namespace pictrieve {
namespace {

using dnnl::algorithm;
using dnnl::memory;
using Desc = memory::desc;
using Tag = memory::format_tag;
constexpr auto kFloat = memory::data_type::f32;

/// Post-operations of a node: its second input is added into the destination, then the activation is applied.
dnnl::primitive_attr attributes(const Node& node) {
  dnnl::post_ops operations;
  if (node.kind == OpKind::Conv2d && node.inputs.size() > 1) operations.append_sum(1.0F);
  if (node.activation == Activation::Relu) operations.append_eltwise(1.0F, algorithm::eltwise_relu, 0, 0);
  if (node.activation == Activation::Relu6) operations.append_eltwise(1.0F, algorithm::eltwise_clip, 0, 6);
  if (node.activation == Activation::Gelu) operations.append_eltwise(1.0F, algorithm::eltwise_gelu_erf, 0, 0);
  dnnl::primitive_attr result;
  result.set_post_ops(operations);
  // A primitive's own scratchpad belongs to the thread that made it; a plan moves between threads.
  result.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return result;
}

Desc plain_weights(const Weight& weight, int groups) {
  const auto& s = weight.shape;
  if (groups == 1) return {{s[0], s[1], s[2], s[3]}, kFloat, Tag::oihw};
  return {{groups, s[0] / groups, s[1], s[2], s[3]}, kFloat, Tag::goihw};
}

/// oneDNN 2.6 takes its GEMM for what no direct kernel covers (5x5 depthwise on 2x2 pixels, say), and with at most AVX2
/// that GEMM fails when executed: the next implementation is slower and works.
void avoid_failing_gemm(dnnl::convolution_forward::primitive_desc& desc) {
  if (dnnl::get_effective_cpu_isa() > dnnl::cpu_isa::avx2) return;
  const std::string name = desc.impl_info_str();
  if (name.find("gemm") != std::string::npos) desc.next_impl();
}

dnnl::convolution_forward::primitive_desc describe_convolution(const Node& node, const Desc& source) {
  const auto shape = source.dims();
  const Weight& kernel = node.weights[0];
  const ConvOptions& options = node.conv;
  require(kernel.shape[1] * options.groups == shape[1], "convolution: expected ", kernel.shape[1] * options.groups,
          " channels, got ", shape[1]);
  const PaddedAxis y = padded_axis(shape[2], kernel.shape[2], options.stride, options.padding);
  const PaddedAxis x = padded_axis(shape[3], kernel.shape[3], options.stride, options.padding);
  // Pictures come plain; what lies between operations takes the layout that the convolution likes best.
  const Desc input = shape[1] <= 4 ? source : Desc(shape, kFloat, Tag::any);
  const Desc weights(plain_weights(kernel, options.groups).dims(), kFloat, Tag::any);
  const Desc bias({kernel.shape[0]}, kFloat, Tag::a);
  const Desc output({shape[0], kernel.shape[0], y.out, x.out}, kFloat, Tag::any);
  const memory::dims strides{options.stride, options.stride}, before{y.before, x.before}, after{y.after, x.after};
  constexpr auto kKind = dnnl::prop_kind::forward_inference;
  constexpr auto kDirect = algorithm::convolution_direct;
  using Convolution = dnnl::convolution_forward;
  const auto operation = node.weights[1]
                             ? Convolution::desc(kKind, kDirect, input, weights, bias, output, strides, before, after)
                             : Convolution::desc(kKind, kDirect, input, weights, output, strides, before, after);
  Convolution::primitive_desc desc(operation, attributes(node), cpu_engine());
  avoid_failing_gemm(desc);
  return desc;
}

}  // namespace

const dnnl::engine& cpu_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

ImagePlanBuilder::ImagePlanBuilder(const Graph& graph, PackedWeights& weights, ImagePlan& plan)
    : graph_(graph),
      weights_(weights),
      plan_(plan),
      last_reader_(graph.nodes.size(), -1),
      tensors_(graph.nodes.size()) {
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    for (const int input : graph.nodes[i].inputs) last_reader_[input] = static_cast<int>(i);
  for (const auto& [name, node] : graph.outputs) last_reader_[node] = std::numeric_limits<int>::max();
}

void ImagePlanBuilder::build(int height, int width) {
  for (size_t i = 0; i < graph_.nodes.size(); ++i) {
    if (graph_.nodes[i].kind == OpKind::Input) {
      plan_.input_ = memory({{1, 3, height, width}, kFloat, Tag::nchw}, cpu_engine(), DNNL_MEMORY_NONE);
      tensors_[i].memory = plan_.input_;
    } else {
      add_node(static_cast<int>(i));
    }
  }
  write_outputs();
  place_buffers();
}

void ImagePlanBuilder::add_node(int index) {
  switch (graph_.nodes[index].kind) {
    case OpKind::Conv2d:
      tensors_[index] = convolution(index);
      break;
    case OpKind::Add:
      tensors_[index] = sum(index);
      break;
    case OpKind::Activate:
      tensors_[index] = activation(index);
      break;
    case OpKind::GlobalPool:
      tensors_[index] = pool(index);
      break;
    default:
      require(false, "image plan: operation ", static_cast<int>(graph_.nodes[index].kind), " has no picture form");
  }
}

ImagePlanBuilder::Tensor ImagePlanBuilder::new_tensor(const Desc& desc) {
  const int now = static_cast<int>(plan_.steps_.size());
  const memory made(desc, cpu_engine(), DNNL_MEMORY_NONE);
  buffers_.push_back({desc.get_size(), now, now, 0, {made}});
  return {made, static_cast<int>(buffers_.size()) - 1};
}

void ImagePlanBuilder::step(dnnl::primitive primitive, std::unordered_map<int, memory> arguments,
                            std::vector<int> buffers) {
  const int now = static_cast<int>(plan_.steps_.size());
  for (const int buffer : buffers)
    if (buffer >= 0) buffers_[buffer].last = now;
  plan_.steps_.push_back({std::move(primitive), std::move(arguments)});
}

ImagePlanBuilder::Tensor ImagePlanBuilder::tensor_as(const Tensor& tensor, const Desc& desc) {
  if (tensor.memory.get_desc() == desc) return tensor;
  const Tensor converted = new_tensor(desc);
  step(dnnl::reorder(tensor.memory, converted.memory),
       {{DNNL_ARG_FROM, tensor.memory}, {DNNL_ARG_TO, converted.memory}}, {tensor.buffer, converted.buffer});
  return converted;
}

ImagePlanBuilder::Tensor ImagePlanBuilder::accumulator(int node, const Desc& desc, int reader) {
  const Tensor& residual = tensors_[node];
  // Nobody may need the residual as it was: no later node, and not `reader`, which would convolve what it overwrites.
  const bool free = last_reader_[node] == reader && graph_.nodes[reader].inputs[0] != node;
  if (residual.memory.get_desc() == desc && residual.buffer >= 0 && free) return residual;
  const Tensor copied = new_tensor(desc);
  step(dnnl::reorder(residual.memory, copied.memory), {{DNNL_ARG_FROM, residual.memory}, {DNNL_ARG_TO, copied.memory}},
       {residual.buffer, copied.buffer});
  return copied;
}

ImagePlanBuilder::Tensor ImagePlanBuilder::convolution(int index) {
  const Node& node = graph_.nodes[index];
  const auto desc = describe_convolution(node, tensors_[node.inputs[0]].memory.get_desc());
  const Tensor source = tensor_as(tensors_[node.inputs[0]], desc.src_desc());
  const bool residual = node.inputs.size() > 1;
  const Tensor result = residual ? accumulator(node.inputs[1], desc.dst_desc(), index) : new_tensor(desc.dst_desc());
  const Tensor scratch = new_tensor(desc.scratchpad_desc());
  std::unordered_map<int, memory> arguments{
      {DNNL_ARG_SRC, source.memory},
      {DNNL_ARG_WEIGHTS,
       weights_.get(node.weights[0], plain_weights(node.weights[0], node.conv.groups), desc.weights_desc())},
      {DNNL_ARG_DST, result.memory},
      {DNNL_ARG_SCRATCHPAD, scratch.memory}};
  if (node.weights[1]) {
    const Desc bias({node.weights[0].shape[0]}, kFloat, Tag::a);
    arguments[DNNL_ARG_BIAS] = weights_.get(node.weights[1], bias, desc.bias_desc());
  }
  step(dnnl::convolution_forward(desc), std::move(arguments), {source.buffer, result.buffer, scratch.buffer});
  return result;
}

ImagePlanBuilder::Tensor ImagePlanBuilder::sum(int index) {
  const Node& node = graph_.nodes[index];
  const Tensor& first = tensors_[node.inputs[0]];
  const Desc layout = first.memory.get_desc();
  const Tensor second = tensor_as(tensors_[node.inputs[1]], layout);
  const dnnl::binary::primitive_desc desc({algorithm::binary_add, layout, layout, layout}, attributes(node),
                                          cpu_engine());
  const Tensor result = new_tensor(layout), scratch = new_tensor(desc.scratchpad_desc());
  step(dnnl::binary(desc),
       {{DNNL_ARG_SRC_0, first.memory},
        {DNNL_ARG_SRC_1, second.memory},
        {DNNL_ARG_DST, result.memory},
        {DNNL_ARG_SCRATCHPAD, scratch.memory}},
       {first.buffer, second.buffer, result.buffer, scratch.buffer});
  return result;
}

ImagePlanBuilder::Tensor ImagePlanBuilder::activation(int index) {
  const Node& node = graph_.nodes[index];
  const Tensor& source = tensors_[node.inputs[0]];
  const Tensor result = new_tensor(source.memory.get_desc());
  // A reorder with the activation after it.
  const dnnl::binary::primitive_desc desc(
      {algorithm::binary_max, source.memory.get_desc(), source.memory.get_desc(), result.memory.get_desc()},
      attributes(node), cpu_engine());
  const Tensor scratch = new_tensor(desc.scratchpad_desc());
  step(dnnl::binary(desc),
       {{DNNL_ARG_SRC_0, source.memory},
        {DNNL_ARG_SRC_1, source.memory},
        {DNNL_ARG_DST, result.memory},
        {DNNL_ARG_SCRATCHPAD, scratch.memory}},
       {source.buffer, result.buffer, scratch.buffer});
  return result;
}

ImagePlanBuilder::Tensor ImagePlanBuilder::pool(int index) {
  const Tensor& source = tensors_[graph_.nodes[index].inputs[0]];
  const auto shape = source.memory.get_desc().dims();
  const Desc output({shape[0], shape[1], 1, 1}, kFloat, Tag::any);
  const dnnl::pooling_forward::primitive_desc desc({dnnl::prop_kind::forward_inference,
                                                    algorithm::pooling_avg,
                                                    source.memory.get_desc(),
                                                    output,
                                                    {1, 1},
                                                    {shape[2], shape[3]},
                                                    {0, 0},
                                                    {0, 0}},
                                                   attributes(graph_.nodes[index]), cpu_engine());
  const Tensor result = new_tensor(desc.dst_desc()), scratch = new_tensor(desc.scratchpad_desc());
  step(dnnl::pooling_forward(desc),
       {{DNNL_ARG_SRC, source.memory}, {DNNL_ARG_DST, result.memory}, {DNNL_ARG_SCRATCHPAD, scratch.memory}},
       {source.buffer, result.buffer, scratch.buffer});
  return result;
}

void ImagePlanBuilder::write_outputs() {
  for (const auto& [name, node] : graph_.outputs) {
    const Tensor& tensor = tensors_[node];
    const memory plain(Desc(tensor.memory.get_desc().dims(), kFloat, Tag::nchw), cpu_engine(), DNNL_MEMORY_NONE);
    plan_.outputs_[name] = plain;
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
