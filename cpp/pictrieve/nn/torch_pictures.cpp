// The operations of pictures (n, channels, height, width), by Torch.
#include <torch/torch.h>

#include "pictrieve/nn/relative_bias.h"
#include "pictrieve/nn/torch_ops.h"

namespace pictrieve {
namespace {

using torch::Tensor;
namespace functional = torch::nn::functional;

Tensor convolved(const Tensor& x, const Tensor& kernel, const Tensor& bias, const ConvOptions& options) {
  const PaddedAxis y_axis = padded_axis(x.size(2), kernel.size(2), options, options.padding.y);
  const PaddedAxis x_axis = padded_axis(x.size(3), kernel.size(3), options, options.padding.x);
  const bool even = y_axis.before == y_axis.after && x_axis.before == x_axis.after;
  const Tensor padded =
      even ? x : torch::constant_pad_nd(x, {x_axis.before, x_axis.after, y_axis.before, y_axis.after});
  const std::vector<int64_t> padding{even ? y_axis.before : 0, even ? x_axis.before : 0};
  return torch::conv2d(padded, kernel, bias, options.stride, padding, options.dilation, options.groups);
}

Tensor pooled(const Tensor& x, const Operation& operation) {
  const PoolOptions& options = operation.pool;
  const std::vector<int64_t> padding{options.padding.y, options.padding.x};
  if (operation.kind == OpKind::MaxPool)
    return torch::max_pool2d(x, options.kernel, options.stride, padding, 1, options.ceil);
  return torch::avg_pool2d(x, options.kernel, options.stride, padding, options.ceil, options.count_padding);
}

Tensor padded_to_multiple(const Tensor& x, int64_t multiple) {
  const auto missing = [&](int64_t size) { return (multiple - size % multiple) % multiple; };
  return torch::constant_pad_nd(x, {0, missing(x.size(3)), 0, missing(x.size(2))});
}

Tensor rolled(const Tensor& x, const Operation& operation) {
  const int64_t sign = operation.count == 1 ? 1 : -1;
  const AttentionOptions& options = operation.attention;
  return x.roll({sign * shift_along(options, x.size(2)), sign * shift_along(options, x.size(3))}, {2, 3});
}

Tensor space_to_depth(const Tensor& x) {
  using torch::indexing::Slice;
  const Slice all, even(0, torch::indexing::None, 2), odd(1, torch::indexing::None, 2);
  return torch::cat({x.index({all, all, even, even}), x.index({all, all, odd, even}), x.index({all, all, even, odd}),
                     x.index({all, all, odd, odd})},
                    1);
}

Tensor upsampled(const Tensor& x, const Tensor& like) {
  return functional::interpolate(x, functional::InterpolateFuncOptions()
                                        .size(std::vector<int64_t>{like.size(2), like.size(3)})
                                        .mode(torch::kNearest));
}

}  // namespace

Tensor apply_to_pictures(const Operation& operation, const std::vector<Tensor>& inputs,
                         const std::vector<Tensor>& weights) {
  const Tensor& x = inputs.front();
  switch (operation.kind) {
    case OpKind::Conv2d:
      return convolved(x, weights[0], weights[1], operation.conv);
    case OpKind::MaxPool:
    case OpKind::AvgPool:
      return pooled(x, operation);
    case OpKind::AdaptiveAvgPool:
      return torch::adaptive_avg_pool2d(x, {operation.rows, operation.columns});
    case OpKind::GlobalPool:
      return x.mean({2, 3});
    case OpKind::Flatten:
      return x.flatten(1);
    case OpKind::Concat:
      return torch::cat(inputs, 1);
    case OpKind::UpsampleLike:
      return upsampled(x, inputs[1]);
    case OpKind::PadToMultiple:
      return padded_to_multiple(x, operation.count);
    case OpKind::CropLike:
      return x.narrow(2, 0, inputs[1].size(2)).narrow(3, 0, inputs[1].size(3));
    case OpKind::Roll:
      return rolled(x, operation);
    case OpKind::SpaceToDepth:
      return space_to_depth(x);
    case OpKind::Tokens:
      return x.flatten(2).transpose(1, 2);
    default:
      return {};
  }
}

}  // namespace pictrieve
