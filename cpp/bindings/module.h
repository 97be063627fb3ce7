// One function per area of the core, each in its own bind_<area>.cpp.
#pragma once

#include <pybind11/pybind11.h>

namespace pictrieve::bindings {

void bind_errors(pybind11::module_& module);
void bind_distances(pybind11::module_& module);
void bind_base(pybind11::module_& module);
void bind_detect(pybind11::module_& module);
void bind_encode(pybind11::module_& module);
void bind_nn(pybind11::module_& module);
void bind_index(pybind11::module_& module);
void bind_exchange(pybind11::module_& module);
void bind_image(pybind11::module_& module);
void bind_augment(pybind11::module_& module);
void bind_text(pybind11::module_& module);
void bind_evaluate(pybind11::module_& module);
void bind_rank_fusion(pybind11::module_& module);
void bind_feedback(pybind11::module_& module);
void bind_weights(pybind11::module_& module);
void bind_rerank(pybind11::module_& module);

}  // namespace pictrieve::bindings
