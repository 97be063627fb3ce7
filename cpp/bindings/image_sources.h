// A Python list of str | bytes | uint8 array as pictures. Nothing is copied: the list must outlive the result.
#pragma once

#include <pybind11/pybind11.h>

#include <string>
#include <vector>

#include "arrays.h"
#include "pictrieve/image/source.h"

namespace pictrieve::bindings {

inline std::vector<ImageSource> image_sources_from_list(const py::list& items) {
  std::vector<ImageSource> sources;
  sources.reserve(items.size());
  for (const py::handle item : items) {
    if (py::isinstance<py::str>(item)) {
      // As the file system stores it: names that are not UTF-8 travel as surrogates.
      const auto encoded = py::reinterpret_steal<py::bytes>(PyUnicode_EncodeFSDefault(item.ptr()));
      if (!encoded) throw py::error_already_set();
      sources.emplace_back(std::string(encoded));
    } else if (py::isinstance<py::bytes>(item)) {
      const auto* data = reinterpret_cast<const uint8_t*>(PyBytes_AS_STRING(item.ptr()));
      sources.emplace_back(std::span<const uint8_t>(data, static_cast<size_t>(PyBytes_GET_SIZE(item.ptr()))));
    } else {
      const bool is_array = py::isinstance<py::array>(item);
      if (!is_array) throw py::type_error("image: expected str, bytes or a uint8 array");
      sources.emplace_back(image_from_array(py::reinterpret_borrow<py::array>(item), "image"));
    }
  }
  return sources;
}

}  // namespace pictrieve::bindings
