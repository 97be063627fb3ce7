#include "pictrieve/nn/frozen.h"

#include <torch/types.h>

#include "pictrieve/nn/parameters.h"
#include "pictrieve/nn/registry.h"
#include "pictrieve/nn/torch_errors.h"

namespace pictrieve {
namespace {

/// The module of `architecture` on these weights, in whatever layout they are.
template <class Module>
std::shared_ptr<Module> load(const Family<Module>& family, const std::string& architecture, const NetworkConfig& config,
                             const StateDict& weights) {
  const NetworkConfig settings = family.settings(architecture, config);
  const auto module = family.make(settings);
  load_parameters(slots_of(*module), weights, rules_for(weights, family.layouts, settings), Fill::Borrow);
  return module;
}

ImageGraph image_graph(const ImageModule& module) { return {module, record(module)}; }

TextGraph text_graph(const TextModule& module) {
  TextGraph network{module, record(module), record_projection(module)};
  if (network.projection.nodes.size() == 1) network.projection = {};  // nothing but its input
  return network;
}

}  // namespace

ImageFacts image_facts(const std::string& architecture, const NetworkConfig& config) {
  return without_torch_errors("image network " + architecture,
                              [&]() -> ImageFacts { return *make_image_module(architecture, config); });
}

ImageGraph freeze_image_network(const std::string& architecture, const NetworkConfig& config,
                                const StateDict& weights) {
  return without_torch_errors("image network " + architecture, [&] {
    return image_graph(*load(image_family(architecture), architecture, config, weights));
  });
}

ImageGraph random_image_network(const std::string& architecture, const NetworkConfig& config, uint64_t seed) {
  return without_torch_errors("image network " + architecture, [&] {
    const auto module = make_image_module(architecture, config);
    randomize_parameters(slots_of(*module), seed);
    return image_graph(*module);
  });
}

TextGraph freeze_text_network(const std::string& architecture, const NetworkConfig& config, const StateDict& weights) {
  return without_torch_errors("text network " + architecture, [&] {
    return text_graph(*load(text_family(architecture), architecture, config, weights));
  });
}

TextGraph random_text_network(const std::string& architecture, const NetworkConfig& config, uint64_t seed) {
  return without_torch_errors("text network " + architecture, [&] {
    const auto module = make_text_module(architecture, config);
    randomize_parameters(slots_of(*module), seed);
    return text_graph(*module);
  });
}

}  // namespace pictrieve
