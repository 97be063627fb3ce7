#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <filesystem>
#include <map>
#include <memory>

#include "arrays.h"
#include "module.h"
#include "pictrieve/nn/state_dict.h"

namespace pictrieve::bindings {
namespace {

using Path = std::filesystem::path;

py::dtype numpy_dtype(DType dtype) {
  constexpr const char* kNames[] = {"float64", "float32", "float16", "",      "int64",
                                    "int32",   "int16",   "int8",    "uint8", "bool"};
  return py::dtype(std::string(kNames[static_cast<size_t>(dtype)]));
}

/// Read-only, because its memory is the mapped file. NumPy has no bfloat16, so that one becomes float32 in memory of
/// its own.
py::array array_from_tensor(const std::shared_ptr<StateDict>& weights, const std::string& name,
                            const TensorView& tensor) {
  const std::vector<py::ssize_t> shape(tensor.shape.begin(), tensor.shape.end());
  py::array array;
  if (tensor.dtype == DType::BF16) {
    auto floats = std::make_shared<std::vector<float>>(weights->float32(name));
    float* data = floats->data();
    array = array_from_owner<float>(std::move(floats), data, shape);
  } else if (tensor.data == nullptr) {
    array = py::array(numpy_dtype(tensor.dtype), shape);  // no bytes to borrow
  } else {
    auto* held = new std::shared_ptr<StateDict>(weights);
    const py::capsule owner(held, [](void* p) { delete static_cast<std::shared_ptr<StateDict>*>(p); });
    array = py::array(numpy_dtype(tensor.dtype), shape, tensor.data, owner);
  }
  array.attr("setflags")(py::arg("write") = false);
  return array;
}

py::dict read_weights_as_arrays(const Path& path) {
  std::shared_ptr<StateDict> weights;
  {
    const py::gil_scoped_release released;  // the path is a copy
    weights = std::make_shared<StateDict>(read_weights(path));
  }
  py::dict arrays;
  for (const auto& [name, tensor] : weights->tensors())
    arrays[py::str(name)] = array_from_tensor(weights, name, tensor);
  return arrays;
}

TensorView tensor_from_array(const py::array& array, const std::string& name) {
  require((array.flags() & py::array::c_style) != 0, "write_safetensors: tensor '", name,
          "': expected a C-contiguous array, got ", describe(array), "; convert with np.ascontiguousarray(x)");
  for (int i = 0; i <= static_cast<int>(DType::Bool); ++i) {
    const auto dtype = static_cast<DType>(i);
    if (dtype == DType::BF16 || !array.dtype().equal(numpy_dtype(dtype))) continue;
    return {dtype, {array.shape(), array.shape() + array.ndim()}, static_cast<const std::byte*>(array.data())};
  }
  throw std::invalid_argument(message("write_safetensors: tensor '", name,
                                      "': expected float, int or bool in native byte order, got ", describe(array)));
}

/// The tensors as they are, whatever file they came from: types, names, bytes.
void copy_weights(const Path& from, const Path& to, const std::map<std::string, std::string>& metadata) {
  const StateDict weights = read_weights(from);
  const std::map<std::string, TensorView> tensors(weights.tensors().begin(), weights.tensors().end());
  write_safetensors(to, tensors, metadata);
}

void write_arrays(const Path& path, const std::map<std::string, py::array>& arrays,
                  const std::map<std::string, std::string>& metadata) {
  std::map<std::string, TensorView> tensors;
  for (const auto& [name, array] : arrays) tensors.emplace(name, tensor_from_array(array, name));
  const py::gil_scoped_release released;  // `arrays` holds every array
  write_safetensors(path, tensors, metadata);
}

}  // namespace

void bind_weights(py::module_& module) {
  module.def("read_weights", &read_weights_as_arrays, py::arg("path"));
  module.def("write_safetensors", &write_arrays, py::arg("path"), py::arg("tensors"),
             py::arg("metadata") = std::map<std::string, std::string>{});
  module.def("copy_weights", &copy_weights, py::arg("source"), py::arg("target"), py::arg("metadata"),
             py::call_guard<py::gil_scoped_release>());
  module.def(
      "weights_fingerprint", [](const Path& path) { return read_weights(path).fingerprint(); }, py::arg("path"),
      py::call_guard<py::gil_scoped_release>());
}

}  // namespace pictrieve::bindings
