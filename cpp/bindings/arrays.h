// NumPy <-> views: the only place where arrays cross. Inputs are borrowed and never converted; outputs own their
// memory.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <memory>
#include <string>

#include "pictrieve/base/error.h"
#include "pictrieve/base/image.h"
#include "pictrieve/base/matrix.h"

namespace pictrieve::bindings {

namespace py = pybind11;

/// "float64 (3, 224) non-contiguous": what the user gave, for messages.
inline std::string describe(const py::array& array) {
  std::string text =
      py::str(array.dtype()).cast<std::string>() + " " + py::repr(array.attr("shape")).cast<std::string>();
  if (!(array.flags() & py::array::c_style)) text += " not C-contiguous";
  return text;
}

/// Throws unless the array is a C-contiguous one of exactly T. The message is made on failure only: it costs more than
/// a search of a small index.
template <typename T>
void require_exact(const py::array& array, int ndim, const char* name, const char* shape) {
  if (py::isinstance<py::array_t<T>>(array) && array.ndim() == ndim && (array.flags() & py::array::c_style)) return;
  throw std::invalid_argument(message(name, ": expected C-contiguous ",
                                      py::str(py::dtype::of<T>()).template cast<std::string>(), " ", shape, ", got ",
                                      describe(array), "; convert with np.ascontiguousarray(x, dtype=...)"));
}

/// Borrows a C-contiguous (rows, cols) array of exactly T. Read-only arrays are welcome.
template <typename T>
MatrixView<const T> matrix_from_array(const py::array& array, const char* name) {
  require_exact<T>(array, 2, name, "(rows, cols)");
  return {static_cast<const T*>(array.data()), array.shape(0), array.shape(1)};
}

/// Borrows a C-contiguous (n,) array of exactly T as a matrix of one row.
template <typename T>
MatrixView<const T> vector_from_array(const py::array& array, const char* name) {
  require_exact<T>(array, 1, name, "(n,)");
  return {static_cast<const T*>(array.data()), 1, array.shape(0)};
}

/// Borrows the caller's `out=` array for writing.
template <typename T>
MatrixView<T> writable_matrix_from_array(py::array& array, const char* name) {
  require_exact<T>(array, 2, name, "(rows, cols)");
  require(array.writeable(), name, ": expected a writable array, got a read-only one");
  return {static_cast<T*>(array.mutable_data()), array.shape(0), array.shape(1)};
}

/// Borrows uint8 pixels (H, W) or (H, W, 1 | 3 | 4). Rows may have gaps (a crop of a larger picture), pixels may not.
inline ImageView image_from_array(const py::array& array, const char* name) {
  const bool shaped = py::isinstance<py::array_t<uint8_t>>(array) && (array.ndim() == 2 || array.ndim() == 3);
  const int channels = shaped && array.ndim() == 3 ? static_cast<int>(array.shape(2)) : 1;
  if (!shaped || (channels != 1 && channels != 3 && channels != 4))
    throw std::invalid_argument(
        message(name, ": expected uint8 (H, W), (H, W, 3) RGB or (H, W, 4) RGBA, got ", describe(array)));
  const bool dense = array.strides(1) == channels && (array.ndim() == 2 || channels == 1 || array.strides(2) == 1) &&
                     array.strides(0) >= array.shape(1) * channels;
  if (!dense && array.size() > 0)
    throw std::invalid_argument(message(name, ": expected pixels stored one after another in each row, got strides ",
                                        py::repr(array.attr("strides")).cast<std::string>(),
                                        "; use np.ascontiguousarray(x)"));
  return {static_cast<const uint8_t*>(array.data()), static_cast<int>(array.shape(0)), static_cast<int>(array.shape(1)),
          channels, array.strides(0)};
}

/// Hands memory over to NumPy: the array holds the owner, nothing is copied.
template <typename T>
py::array_t<T> array_from_owner(std::shared_ptr<void> owner, T* data, std::vector<py::ssize_t> shape) {
  auto* held = new std::shared_ptr<void>(std::move(owner));
  const py::capsule capsule(held, [](void* p) { delete static_cast<std::shared_ptr<void>*>(p); });
  return py::array_t<T>(std::move(shape), data, capsule);
}

template <typename T>
py::array_t<T> array_from_matrix(const Matrix<T>& matrix) {
  return array_from_owner<T>(matrix.storage(), matrix.data(), {matrix.rows(), matrix.cols()});
}

/// uint8 (H, W, channels), or (H, W) for grey.
inline py::array_t<uint8_t> array_from_image(const Image& image) {
  std::vector<py::ssize_t> shape{image.height(), image.width()};
  if (image.channels() > 1) shape.push_back(image.channels());
  return array_from_owner<uint8_t>(image.storage(), image.data(), std::move(shape));
}

}  // namespace pictrieve::bindings
