// Python str -> UTF-8 views, without a copy.
#pragma once

#include <pybind11/pybind11.h>

#include <string>
#include <string_view>
#include <vector>

#include "pictrieve/base/error.h"

namespace pictrieve::bindings {

namespace py = pybind11;

/// A str of text that may hold a path: what is not UTF-8 becomes surrogates, as in Python's own paths.
inline py::str text_of(std::string_view text) {
  auto* decoded = PyUnicode_DecodeFSDefaultAndSize(text.data(), static_cast<Py_ssize_t>(text.size()));
  if (decoded == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::str>(decoded);
}

/// Borrows the UTF-8 that CPython keeps for a str; valid as long as the str is. `name` is for messages.
inline std::string_view text_from_str(const py::handle& text, const std::string& name) {
  if (!PyUnicode_Check(text.ptr()))
    throw py::type_error(message(name, ": expected a str, got ", py::str(py::type::of(text)).cast<std::string>()));
  Py_ssize_t size = 0;
  const char* data = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
  if (data == nullptr) {
    const py::error_already_set cause;
    require(cause.matches(PyExc_UnicodeEncodeError) == 0, name,
            ": expected Unicode text, got a str with a lone surrogate (", cause.what(),
            "); use text.encode('utf-8', 'replace').decode()");
    throw cause;
  }
  return {data, static_cast<size_t>(size)};
}

/// Borrows each text of a tuple (not a list: that may change while the GIL is released).
inline std::vector<std::string_view> texts_from_tuple(const py::tuple& texts) {
  std::vector<std::string_view> views;
  views.reserve(texts.size());
  for (const py::handle& text : texts) {
    // The name is made for messages only, so it is not worth making for each text.
    const bool plain = PyUnicode_Check(text.ptr()) && PyUnicode_IS_COMPACT_ASCII(text.ptr());
    views.push_back(text_from_str(text, plain ? "" : message("texts[", views.size(), "]")));
  }
  return views;
}

}  // namespace pictrieve::bindings
