// The steps that oneDNN computes, in whatever layout its convolutions like.
#include <string>
#include <utility>

#include "pictrieve/base/error.h"
#include "pictrieve/runtime/image_plan_builder.h"
#include "pictrieve/runtime/picture_kernels.h"

namespace pictrieve {
namespace {

using dnnl::algorithm;
using dnnl::memory;
using Desc = memory::desc;
using Tag = memory::format_tag;
constexpr auto kFloat = memory::data_type::f32;
constexpr auto kInference = dnnl::prop_kind::forward_inference;

void append_activation(dnnl::post_ops& operations, Activation activation) {
  const auto append = [&](algorithm kind, float alpha = 0, float beta = 0) {
    operations.append_eltwise(1.0F, kind, alpha, beta);
  };
  switch (activation) {
    case Activation::None:
      return;
    case Activation::Relu:
      return append(algorithm::eltwise_relu);
    case Activation::Relu6:
      return append(algorithm::eltwise_clip, 0, 6);
    case Activation::Gelu:
      return append(algorithm::eltwise_gelu_erf);
    case Activation::GeluTanh:
      return append(algorithm::eltwise_gelu_tanh);
    case Activation::QuickGelu:
      return append(algorithm::eltwise_swish, 1.702F);
    case Activation::Silu:
      return append(algorithm::eltwise_swish, 1);
    case Activation::HardSwish:
      return append(algorithm::eltwise_hardswish);
    case Activation::HardSigmoid:
      append(algorithm::eltwise_linear, 1.0F / 6, 0.5F);
      return append(algorithm::eltwise_clip, 0, 1);
    case Activation::Sigmoid:
      return append(algorithm::eltwise_logistic);
    case Activation::Tanh:
      return append(algorithm::eltwise_tanh);
  }
}

/// Post-operations of a node: its second input is added into the destination, then the activation is applied.
dnnl::primitive_attr attributes(const Node& node) {
  dnnl::post_ops operations;
  if (node.kind == OpKind::Conv2d && node.inputs.size() > 1) operations.append_sum(1.0F);
  append_activation(operations, node.activation);
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

dnnl::convolution_forward::primitive_desc describe_convolution(const Node& node, const Shape& x, const Desc& source,
                                                               const Desc& output) {
  const Weight& kernel = node.weights[0];
  const ConvOptions& options = node.conv;
  const PaddedAxis rows = padded_axis(x.height, kernel.shape[2], options, options.padding.y);
  const PaddedAxis columns = padded_axis(x.width, kernel.shape[3], options, options.padding.x);
  const Desc weights(plain_weights(kernel, options.groups).dims(), kFloat, Tag::any);
  const Desc bias({kernel.shape[0]}, kFloat, Tag::a);
  const memory::dims strides{options.stride, options.stride}, before{rows.before, columns.before},
      after{rows.after, columns.after}, gaps{options.dilation - 1, options.dilation - 1};
  constexpr auto kDirect = algorithm::convolution_direct;
  using Convolution = dnnl::convolution_forward;
  const auto operation =
      node.weights[1]
          ? Convolution::desc(kInference, kDirect, source, weights, bias, output, strides, gaps, before, after)
          : Convolution::desc(kInference, kDirect, source, weights, output, strides, gaps, before, after);
  Convolution::primitive_desc desc(operation, attributes(node), cpu_engine());
  avoid_failing_gemm(desc);
  return desc;
}

}  // namespace

ImagePlanBuilder::Tensor ImagePlanBuilder::accumulator(int node, const Desc& desc, int reader) {
  // A convolution must not overwrite what it reads.
  if (may_overwrite(node, reader) && origin_[graph_.nodes[reader].inputs[0]] != origin_[node]) return as(node, desc);
  return copy_as(values_[node].front(), desc);
}

ImagePlanBuilder::Tensor ImagePlanBuilder::convolution(int index) {
  const Node& node = graph_.nodes[index];
  const Shape &x = shapes_[node.inputs[0]], &made = shapes_[index];
  const Desc given = input(index).memory.get_desc();
  // Pictures come plain, and filters of single channels do as well on rows; what lies between operations otherwise
  // takes the layout that the convolution likes best.
  const bool channel_wise = node.conv.groups == x.channels && row_stride(given) == x.channels;
  const Desc any_source({1, x.channels, x.height, x.width}, kFloat, Tag::any);
  const Desc any_result({1, made.channels, made.height, made.width}, kFloat, Tag::any);
  const auto desc = describe_convolution(node, x, channel_wise || x.channels <= 4 ? given : any_source,
                                         channel_wise ? row_layout(made) : any_result);
  const Tensor source = as(node.inputs[0], desc.src_desc());
  const bool sum = node.inputs.size() > 1;
  const Tensor result = sum ? accumulator(node.inputs[1], desc.dst_desc(), index) : new_tensor(desc.dst_desc());
  const Tensor scratch = new_tensor(desc.scratchpad_desc());
  std::unordered_map<int, memory> arguments{
      {DNNL_ARG_SRC, source.memory},
      {DNNL_ARG_WEIGHTS,
       weights_.get(node.weights[0], plain_weights(node.weights[0], node.conv.groups), desc.weights_desc())},
      {DNNL_ARG_DST, result.memory},
      {DNNL_ARG_SCRATCHPAD, scratch.memory}};
  if (node.weights[1]) {
    const Desc bias({made.channels}, kFloat, Tag::a);
    arguments[DNNL_ARG_BIAS] = weights_.get(node.weights[1], bias, bias);
  }
  step(dnnl::convolution_forward(desc), std::move(arguments), {source.buffer, result.buffer, scratch.buffer});
  return result;
}

ImagePlanBuilder::Tensor ImagePlanBuilder::pool(int index) {
  const Node& node = graph_.nodes[index];
  const Shape &x = shapes_[node.inputs[0]], &made = shapes_[index];
  PoolOptions options = node.pool;
  if (node.kind == OpKind::GlobalPool) options = {.padding = {0, 0}, .count_padding = false};
  const PaddedAxis rows = pooled_axis(x.height, options, options.padding.y);
  const PaddedAxis columns = pooled_axis(x.width, options, options.padding.x);
  const bool counted = node.kind == OpKind::AvgPool && options.count_padding;
  // oneDNN would count what hangs over the zeros around the picture.
  if (counted && (rows.after > rows.before || columns.after > columns.before)) return mean_of_cells(index);
  const algorithm kind = node.kind == OpKind::MaxPool ? algorithm::pooling_max
                         : counted                    ? algorithm::pooling_avg_include_padding
                                                      : algorithm::pooling_avg_exclude_padding;
  const bool whole = node.kind == OpKind::GlobalPool;
  const memory::dims window = whole ? memory::dims{x.height, x.width} : memory::dims{options.kernel, options.kernel};
  const memory::dims strides = whole ? window : memory::dims{options.stride, options.stride};
  const memory::dims before = whole ? memory::dims{0, 0} : memory::dims{rows.before, columns.before};
  const memory::dims after = whole ? memory::dims{0, 0} : memory::dims{rows.after, columns.after};
  const Tensor source = is_rows(node.inputs[0]) ? dense_rows(node.inputs[0]) : input(index);
  const Desc output({1, made.channels, made.height, made.width}, kFloat, Tag::any);
  const dnnl::pooling_forward::primitive_desc desc(
      {kInference, kind, source.memory.get_desc(), output, strides, window, before, after}, attributes(node),
      cpu_engine());
  const Tensor result = new_tensor(desc.dst_desc()), scratch = new_tensor(desc.scratchpad_desc());
  step(dnnl::pooling_forward(desc),
       {{DNNL_ARG_SRC, source.memory}, {DNNL_ARG_DST, result.memory}, {DNNL_ARG_SCRATCHPAD, scratch.memory}},
       {source.buffer, result.buffer, scratch.buffer});
  return result;
}

ImagePlanBuilder::Tensor ImagePlanBuilder::concat(int index) {
  const Node& node = graph_.nodes[index];
  std::vector<Desc> layouts;
  for (const int part : node.inputs) layouts.push_back(values_[part].front().memory.get_desc());
  const dnnl::concat::primitive_desc desc(1, layouts, cpu_engine(), attributes(node));
  const Tensor result = new_tensor(desc.dst_desc()), scratch = new_tensor(desc.scratchpad_desc());
  std::unordered_map<int, memory> arguments{{DNNL_ARG_DST, result.memory}, {DNNL_ARG_SCRATCHPAD, scratch.memory}};
  std::vector<int> buffers{result.buffer, scratch.buffer};
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const Tensor& part = values_[node.inputs[i]].front();
    arguments[DNNL_ARG_MULTIPLE_SRC + static_cast<int>(i)] = part.memory;
    buffers.push_back(part.buffer);
  }
  step(dnnl::concat(desc), std::move(arguments), buffers);
  return result;
}

/// A sum or product in the layout of the first value; a vector is repeated for each pixel.
ImagePlanBuilder::Tensor ImagePlanBuilder::combine(int index) {
  const Node& node = graph_.nodes[index];
  if (is_rows(node.inputs[0])) return row_operation(index);
  const Tensor first = input(index);
  const Desc layout = first.memory.get_desc();
  const bool same = shapes_[node.inputs[1]] == shapes_[index];
  const Tensor second = as(node.inputs[1], same ? layout : pixel_layout(layout));
  const algorithm kind = node.kind == OpKind::Add ? algorithm::binary_add : algorithm::binary_mul;
  const dnnl::binary::primitive_desc desc({kind, layout, second.memory.get_desc(), layout}, attributes(node),
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
  if (is_rows(node.inputs[0])) return row_operation(index);
  const Tensor source = input(index);
  const Desc layout = source.memory.get_desc();
  // The greater of the value and itself, with the activation after it.
  const dnnl::binary::primitive_desc desc({algorithm::binary_max, layout, layout, layout}, attributes(node),
                                          cpu_engine());
  const Tensor result = new_tensor(layout), scratch = new_tensor(desc.scratchpad_desc());
  step(dnnl::binary(desc),
       {{DNNL_ARG_SRC_0, source.memory},
        {DNNL_ARG_SRC_1, source.memory},
        {DNNL_ARG_DST, result.memory},
        {DNNL_ARG_SCRATCHPAD, scratch.memory}},
       {source.buffer, result.buffer, scratch.buffer});
  return result;
}

}  // namespace pictrieve
