#include "pictrieve/nn/frozen.h"

#include <torch/types.h>

#include "pictrieve/base/error.h"
#include "pictrieve/nn/bert.h"
#include "pictrieve/nn/parameters.h"
#include "pictrieve/nn/registry.h"

namespace pictrieve {
namespace {

/// The result of `make`; Torch's exceptions are told in one line, without their stack trace.
template <typename Make>
auto without_torch_errors(const std::string& subject, const Make& make) {
  try {
    return make();
  } catch (const c10::Error& error) {
    throw Error(message(subject, ": ", error.what_without_backtrace()));
  }
}

/// `fill` gives a new module its parameters.
template <typename FillModule>
ImageGraph image_graph(const std::string& architecture, const FillModule& fill) {
  return without_torch_errors("image network " + architecture, [&] {
    const auto module = make_image_module(architecture);
    fill(*module);
    return ImageGraph{record(*module), module->dim, module->classes, module->input_size};
  });
}

template <typename FillModule>
Graph text_graph(const BertConfig& config, const FillModule& fill) {
  return without_torch_errors("text network", [&] {
    BertModule module(config);
    fill(module);
    return record(module);
  });
}

}  // namespace

ImageGraph freeze_image_network(const std::string& architecture, const StateDict& weights) {
  return image_graph(architecture, [&](ImageModule& module) { load_parameters(module, weights, Fill::Borrow); });
}

ImageGraph random_image_network(const std::string& architecture, uint64_t seed) {
  return image_graph(architecture, [&](ImageModule& module) { randomize_parameters(module, seed); });
}

Graph freeze_text_network(const BertConfig& config, const StateDict& weights) {
  return text_graph(config, [&](BertModule& module) { load_parameters(module, weights, Fill::Borrow); });
}

Graph random_text_network(const BertConfig& config, uint64_t seed) {
  return text_graph(config, [&](BertModule& module) { randomize_parameters(module, seed); });
}

}  // namespace pictrieve
