#include <pybind11/pybind11.h>

#include <cerrno>

#include "module.h"
#include "pictrieve/base/error.h"

namespace pictrieve::bindings {

namespace py = pybind11;

// std::invalid_argument -> ValueError and std::out_of_range -> IndexError come from pybind11 itself.
void bind_errors(py::module_& module) {
  const auto error = py::register_exception<Error>(module, "Error", PyExc_RuntimeError);
  // A damaged file or picture is also a bad value, so code that catches ValueError keeps working.
  const py::tuple bases = py::make_tuple(error, py::reinterpret_borrow<py::object>(PyExc_ValueError));
  py::register_exception<DecodeError>(module, "DecodeError", bases);
  py::register_exception<FormatError>(module, "FormatError", bases);
  py::register_exception_translator([](std::exception_ptr pointer) {
    try {
      if (pointer) std::rethrow_exception(pointer);
    } catch (const FileError& e) {
      // OSError picks its subclass (FileNotFoundError, PermissionError, ...) by errno.
      const py::tuple arguments = py::make_tuple(e.error_number, e.detail, e.path);
      PyErr_SetObject(PyExc_OSError, arguments.ptr());
    }
  });
}

}  // namespace pictrieve::bindings
