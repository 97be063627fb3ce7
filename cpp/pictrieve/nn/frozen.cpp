#include "pictrieve/nn/frozen.h"

#include "pictrieve/nn/bert.h"
#include "pictrieve/nn/parameters.h"
#include "pictrieve/nn/registry.h"

namespace pictrieve {
namespace {

ImageGraph frozen(const ImageModule& module) { return {record(module), module.dim, module.classes, module.input_size}; }

}  // namespace

ImageGraph freeze_image_network(const std::string& architecture, const StateDict& weights) {
  const auto module = make_image_module(architecture);
  load_parameters(*module, weights, Fill::Borrow);
  return frozen(*module);
}

ImageGraph random_image_network(const std::string& architecture, uint64_t seed) {
  const auto module = make_image_module(architecture);
  randomize_parameters(*module, seed);
  return frozen(*module);
}

Graph freeze_text_network(const BertConfig& config, const StateDict& weights) {
  BertModule module(config);
  load_parameters(module, weights, Fill::Borrow);
  return record(module);
}

Graph random_text_network(const BertConfig& config, uint64_t seed) {
  BertModule module(config);
  randomize_parameters(module, seed);
  return record(module);
}

}  // namespace pictrieve
