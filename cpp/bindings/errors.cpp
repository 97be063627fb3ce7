#include <pybind11/pybind11.h>

#include <cerrno>

#include "module.h"
#include "pictrieve/base/error.h"
#include "texts.h"

namespace pictrieve::bindings {

// std::invalid_argument -> ValueError and std::out_of_range -> IndexError come from pybind11 itself. Messages may hold
// paths of any bytes, so they travel as paths do: with surrogates for what is not UTF-8.
void bind_errors(py::module_& module) {
  static py::handle error, decode_error, format_error;
  error = py::exception<Error>(module, "Error", PyExc_RuntimeError).release();
  // A damaged file or picture is also a bad value, so code that catches ValueError keeps working.
  const py::tuple bases = py::make_tuple(error, py::reinterpret_borrow<py::object>(PyExc_ValueError));
  decode_error = py::exception<DecodeError>(module, "DecodeError", bases).release();
  format_error = py::exception<FormatError>(module, "FormatError", bases).release();
  py::register_exception_translator([](std::exception_ptr pointer) {
    try {
      if (pointer) std::rethrow_exception(pointer);
    } catch (const FileError& e) {
      // OSError picks its subclass (FileNotFoundError, PermissionError, ...) by errno.
      const py::tuple arguments = py::make_tuple(e.error_number, text_of(e.detail), text_of(e.path));
      PyErr_SetObject(PyExc_OSError, arguments.ptr());
    } catch (const DecodeError& e) {
      PyErr_SetObject(decode_error.ptr(), text_of(e.what()).ptr());
    } catch (const FormatError& e) {
      PyErr_SetObject(format_error.ptr(), text_of(e.what()).ptr());
    } catch (const Error& e) {
      PyErr_SetObject(error.ptr(), text_of(e.what()).ptr());
    }
  });
}

}  // namespace pictrieve::bindings
