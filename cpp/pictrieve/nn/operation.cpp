#include "pictrieve/nn/operation.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "pictrieve/base/error.h"

namespace pictrieve {
namespace {

constexpr std::pair<const char*, Activation> kActivations[] = {
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

Activation activation_named(const std::string& name) {
  const auto* found = std::find_if(std::begin(kActivations), std::end(kActivations),
                                   [&](const auto& known) { return name == known.first; });
  if (found != std::end(kActivations)) return found->second;
  std::string names;
  for (const auto& [known, activation] : kActivations) names += (names.empty() ? "" : ", ") + std::string(known);
  throw std::invalid_argument(message("activation: expected one of ", names, ", got '", name, "'"));
}

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
