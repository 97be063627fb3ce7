#include "pictrieve/nn/frozen.h"

#include <c10/util/Exception.h>

#include "pictrieve/base/error.h"
#include "pictrieve/nn/bert.h"
#include "pictrieve/nn/parameters.h"
#include "pictrieve/nn/registry.h"

namespace pictrieve {
namespace {

/// Sizes come from a file: products of two bounded ones fit in 64 bits, and no network has as many layers.
void check_sizes(const BertConfig& config) {
  const auto check = [](const char* name, int size, int most) {
    require(size >= 1 && size <= most, "BERT configuration: ", name, ": expected 1 to ", most, ", got ", size);
  };
  constexpr int kMost = 1 << 24, kMostLayers = 1 << 12;
  check("vocab_size", config.vocab_size, kMost);
  check("hidden_size", config.hidden_size, kMost);
  check("num_hidden_layers", config.num_hidden_layers, kMostLayers);
  check("num_attention_heads", config.num_attention_heads, kMost);
  check("intermediate_size", config.intermediate_size, kMost);
  check("max_position_embeddings", config.max_position_embeddings, kMost);
  check("type_vocab_size", config.type_vocab_size, kMost);
}

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
  check_sizes(config);
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
