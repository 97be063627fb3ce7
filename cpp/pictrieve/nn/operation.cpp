#include "pictrieve/nn/operation.h"

#include <algorithm>

#include "pictrieve/base/names.h"

namespace pictrieve {
namespace {

constexpr std::pair<std::string_view, Activation> kActivations[] = {
    {"relu", Activation::Relu},
    {"relu6", Activation::Relu6},
    {"gelu", Activation::Gelu},
    {"gelu_new", Activation::GeluTanh},
    {"gelu_pytorch_tanh", Activation::GeluTanh},
    {"gelu_tanh", Activation::GeluTanh},
    {"quick_gelu", Activation::QuickGelu},
    {"silu", Activation::Silu},
    {"swish", Activation::Silu},
    {"hardswish", Activation::HardSwish},
    {"hardsigmoid", Activation::HardSigmoid},
    {"sigmoid", Activation::Sigmoid},
    {"tanh", Activation::Tanh},
};

}  // namespace

Activation activation_named(const std::string& name) { return value_named("activation", name, kActivations); }

PaddedAxis padded_axis(int64_t size, int64_t kernel, const ConvOptions& options, int padding) {
  const int64_t reach = options.dilation * (kernel - 1) + 1;
  if (!options.padding.same) return {padding, padding, (size + 2 * padding - reach) / options.stride + 1};
  const int64_t out = (size + options.stride - 1) / options.stride;
  const int64_t total = std::max<int64_t>((out - 1) * options.stride + reach - size, 0);
  return {total / 2, total - total / 2, out};
}

PaddedAxis pooled_axis(int64_t size, const PoolOptions& options, int padding) {
  const int64_t room = size + 2 * padding - options.kernel;
  int64_t out = (options.ceil ? room + options.stride - 1 : room) / options.stride + 1;
  // The last window has to begin on the picture or on the zeros before it.
  if (options.ceil && (out - 1) * options.stride >= size + padding) --out;
  return {padding, std::max<int64_t>((out - 1) * options.stride + options.kernel - size - padding, 0), out};
}

}  // namespace pictrieve
