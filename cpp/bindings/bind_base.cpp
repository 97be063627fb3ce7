#include "module.h"
#include "pictrieve/base/linalg.h"
#include "pictrieve/base/parallel.h"
#include "pictrieve/version.h"

namespace pictrieve::bindings {

void bind_base(pybind11::module_& module) {
  module.def("version", &version);
  module.def("num_threads", &num_threads);
  module.def("set_num_threads", &set_num_threads, pybind11::arg("count"));
  module.def("simd_target", &simd_target);
}

}  // namespace pictrieve::bindings
