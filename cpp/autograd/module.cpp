#include <pybind11/stl.h>
#include <torch/csrc/utils/pybind.h>

#include "../bindings/network_config.h"
#include "network.h"
#include "pictrieve/base/error.h"

namespace py = pybind11;
using pictrieve::autograd::Network;

namespace {

/// The exceptions of _core: this module has a table of translators of its own.
void translate_errors() {
  py::register_local_exception_translator([](std::exception_ptr pointer) {
    const auto raise = [](const char* name, const std::exception& error) {
      const py::object type = py::module_::import("pictrieve._core").attr(name);
      PyErr_SetString(type.ptr(), error.what());
    };
    try {
      if (pointer) std::rethrow_exception(pointer);
    } catch (const pictrieve::FileError& error) {
      const py::tuple arguments = py::make_tuple(error.error_number, error.detail, error.path);
      PyErr_SetObject(PyExc_OSError, arguments.ptr());
    } catch (const pictrieve::FormatError& error) {
      raise("FormatError", error);
    } catch (const pictrieve::Error& error) {
      raise("Error", error);
    }
  });
}

}  // namespace

PYBIND11_MODULE(_autograd, module) {
  module.doc() = "The networks of the core as torch sees them. Use pictrieve.finetune instead.";
  translate_errors();
  // Forwards release the lock: tensors are held by the caller's arguments, and Torch takes it again where it needs it.
  const py::call_guard<py::gil_scoped_release> released;
  py::class_<Network>(module, "Network")
      .def(py::init([](const std::string& kind, const std::string& architecture, const py::dict& config) {
             return std::make_unique<Network>(kind, architecture,
                                              pictrieve::bindings::network_config_from_dict(config));
           }),
           py::arg("kind"), py::arg("architecture"), py::arg("config"))
      .def("slots",
           [](const Network& self) {
             py::list slots;
             for (const auto& [name, shape, buffer] : self.slots()) slots.append(py::make_tuple(name, shape, buffer));
             return slots;
           })
      .def("random_state", &Network::random_state, py::arg("seed"))
      .def("state_from_file", &Network::state_from_file, py::arg("path"))
      .def("from_layout", &Network::from_layout, py::arg("tensors"), py::arg("layout"))
      .def("to_layout", &Network::to_layout, py::arg("tensors"), py::arg("layout"))
      .def("layout_of_file", &Network::layout_of_file, py::arg("path"))
      .def("forward_image", &Network::forward_image, py::arg("tensors"), py::arg("training"), py::arg("dropout"),
           py::arg("pixels"), released)
      .def("forward_text", &Network::forward_text, py::arg("tensors"), py::arg("dropout"), py::arg("ids"),
           py::arg("mask") = py::none(), py::arg("segments") = py::none(), released)
      .def("project", &Network::project, py::arg("tensors"), py::arg("pooled"), released)
      .def_property_readonly("facts", &Network::facts)
      .def_property_readonly("pooling", &Network::pooling);
}
