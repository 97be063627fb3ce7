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
    const auto raise = [](const char* module, const char* name, const char* what) {
      PyErr_SetString(py::object(py::module_::import(module).attr(name)).ptr(), what);
    };
    try {
      if (pointer) std::rethrow_exception(pointer);
    } catch (const pictrieve::FileError& error) {
      const py::tuple arguments = py::make_tuple(error.error_number, error.detail, error.path);
      PyErr_SetObject(PyExc_OSError, arguments.ptr());
    } catch (const pictrieve::FormatError& error) {
      raise("pictrieve._core", "FormatError", error.what());
    } catch (const pictrieve::Error& error) {
      raise("pictrieve._core", "Error", error.what());
    } catch (const c10::OutOfMemoryError& error) {
      raise("torch", "OutOfMemoryError", error.what_without_backtrace());
    } catch (const c10::Error& error) {
      raise("pictrieve._core", "Error", error.what_without_backtrace());
    }
  });
}

}  // namespace

PYBIND11_MODULE(_autograd, module) {
  module.doc() = "The networks of the core as torch sees them. Use pictrieve.finetune instead.";
  translate_errors();
  // All that takes time releases the lock: arguments are C++ values by then (tensors are counted by Torch, which takes
  // the lock itself where the last of a Python tensor goes), nothing but forwards changes a network, and each of these
  // holds the network's own lock. Results become Python's after the lock is taken again.
  const py::call_guard<py::gil_scoped_release> released;
  py::class_<Network>(module, "Network")
      .def(py::init([](const std::string& kind, const std::string& architecture, const py::dict& config) {
             const pictrieve::NetworkConfig settings = pictrieve::bindings::network_config_from_dict(config);
             const py::gil_scoped_release unlocked;
             return std::make_unique<Network>(kind, architecture, settings);
           }),
           py::arg("kind"), py::arg("architecture"), py::arg("config"))
      .def("slots",
           [](const Network& self) {
             py::list slots;
             for (const Network::Slot& slot : self.slots())
               slots.append(py::make_tuple(slot.name, slot.shape, slot.buffer));
             return slots;
           })
      .def("random_state", &Network::random_state, py::arg("seed"), py::arg("names") = py::none(), released)
      .def("state_from_file", &Network::state_from_file, py::arg("path"), released)
      .def("from_layout", &Network::from_layout, py::arg("tensors"), py::arg("layout"), released)
      .def("to_layout", &Network::to_layout, py::arg("tensors"), py::arg("layout"), released)
      .def("layout_of_file", &Network::layout_of_file, py::arg("path"), released)
      .def("forward_image", &Network::forward_image, py::arg("tensors"), py::arg("training"), py::arg("dropout"),
           py::arg("pixels"), released)
      .def("forward_text", &Network::forward_text, py::arg("tensors"), py::arg("dropout"), py::arg("ids"),
           py::arg("mask") = py::none(), py::arg("segments") = py::none(), released)
      .def("project", &Network::project, py::arg("tensors"), py::arg("pooled"), released)
      .def_property_readonly("facts", &Network::facts)
      .def_property_readonly("pooling", &Network::pooling);
}
