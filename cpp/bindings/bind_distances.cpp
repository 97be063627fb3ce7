#include <pybind11/stl.h>

#include <optional>
#include <string>

#include "arrays.h"
#include "module.h"
#include "monitor.h"
#include "pictrieve/index/distance/pairwise.h"

namespace pictrieve::bindings {
namespace {

template <typename T>
py::array compare(const py::array& x, const py::array& y, Metric metric, PairKind kind, std::optional<py::array> out) {
  const auto rows = matrix_from_array<T>(x, "x"), others = matrix_from_array<T>(y, "y");
  Matrix<float> made;
  if (!out) made = Matrix<float>(rows.rows, others.rows);
  const MatrixView<float> target = out ? writable_matrix_from_array<float>(*out, "out") : made.view();
  const py::none no_progress;
  const Monitor monitor = python_monitor(no_progress);
  {
    const py::gil_scoped_release released;  // the arrays are held by the caller
    pairwise(rows, others, metric, kind, target, monitor);
  }
  return out ? *out : py::array(array_from_matrix(made));
}

py::array pairwise_of_arrays(const py::array& x, const py::array& y, const std::string& metric, bool score,
                             std::optional<py::array> out) {
  const Metric chosen = metric_from_name(metric);
  const PairKind kind = score ? PairKind::Score : PairKind::Distance;
  const bool bits = chosen == Metric::Hamming || py::isinstance<py::array_t<uint8_t>>(x);
  return bits ? compare<uint8_t>(x, y, chosen, kind, std::move(out))
              : compare<float>(x, y, chosen, kind, std::move(out));
}

}  // namespace

void bind_distances(py::module_& module) {
  module.def("pairwise", &pairwise_of_arrays, py::arg("x"), py::arg("y"), py::arg("metric"), py::arg("score"),
             py::arg("out"));
}

}  // namespace pictrieve::bindings
