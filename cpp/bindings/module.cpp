#include "module.h"

PYBIND11_MODULE(_core, module) {
  module.doc() = "Compiled core of pictrieve. Use the typed classes of the package instead.";
  using namespace pictrieve::bindings;
  bind_errors(module);
  bind_base(module);
  bind_distances(module);
  bind_index(module);
  bind_exchange(module);
  bind_image(module);
  bind_augment(module);
  bind_weights(module);
  bind_text(module);
  bind_encode(module);
  bind_detect(module);
  bind_nn(module);
  bind_evaluate(module);
  bind_rank_fusion(module);
  bind_feedback(module);
  bind_rerank(module);
}
