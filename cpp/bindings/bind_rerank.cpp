#include <pybind11/stl.h>

#include <optional>

#include "arrays.h"
#include "module.h"
#include "monitor.h"
#include "pictrieve/rank/diffusion.h"
#include "pictrieve/rank/expansion.h"
#include "pictrieve/rank/reciprocal.h"

namespace pictrieve::bindings {
namespace {

using OptionalArray = std::optional<py::array>;

Filter filter_from(const OptionalArray& ids, const OptionalArray& mask) {
  Filter where;
  if (ids) where.ids = vector_from_array<int64_t>(*ids, "where").row_span(0);
  if (mask) where.mask = vector_from_array<uint8_t>(*mask, "where").row_span(0);
  return where;
}

/// Runs `work(monitor)` without the GIL: the arrays it reads are held by the caller, the index locks itself.
template <typename Work>
auto without_gil(const Work& work) {
  const py::none no_progress;
  const Monitor monitor = python_monitor(no_progress);
  const py::gil_scoped_release released;
  return work(monitor);
}

py::array_t<float> expand(const Index& index, const py::array& queries, int64_t neighbours, float alpha,
                          const OptionalArray& where_ids, const OptionalArray& where_mask) {
  const auto view = matrix_from_array<float>(queries, "queries");
  const Filter where = filter_from(where_ids, where_mask);
  return array_from_matrix(without_gil(
      [&](const Monitor& monitor) { return expand_queries(index, view, {neighbours, alpha}, where, monitor); }));
}

py::array_t<float> augment(const Index& index, int64_t neighbours, float alpha) {
  return array_from_matrix(
      without_gil([&](const Monitor& monitor) { return augment_database(index, {neighbours, alpha}, monitor); }));
}

/// The re-ranker `function` with the fields of its Options as arguments, in their order.
template <typename Options, typename Function, typename... Fields>
py::tuple rerank(const Function& function, const Index& index, const py::array& queries, int64_t k,
                 const OptionalArray& where_ids, const OptionalArray& where_mask, Fields... fields) {
  const auto view = matrix_from_array<float>(queries, "queries");
  const Filter where = filter_from(where_ids, where_mask);
  const SearchResult result =
      without_gil([&](const Monitor& monitor) { return function(index, view, k, Options{fields...}, where, monitor); });
  return py::make_tuple(array_from_matrix(result.ids), array_from_matrix(result.scores));
}

py::tuple reciprocal(const Index& index, const py::array& queries, int64_t k, const OptionalArray& where_ids,
                     const OptionalArray& where_mask, int64_t candidates, int64_t k1, int64_t k2, double weight) {
  return rerank<ReciprocalOptions>(&k_reciprocal, index, queries, k, where_ids, where_mask, candidates, k1, k2, weight);
}

py::tuple diffuse(const Index& index, const py::array& queries, int64_t k, const OptionalArray& where_ids,
                  const OptionalArray& where_mask, int64_t neighbours, int64_t candidates, double alpha,
                  int iterations) {
  return rerank<DiffusionOptions>(&diffusion, index, queries, k, where_ids, where_mask, neighbours, candidates, alpha,
                                  iterations);
}

}  // namespace

void bind_rerank(py::module_& module) {
  module.def("expand_queries", &expand, py::arg("index"), py::arg("queries"), py::arg("n"), py::arg("alpha"),
             py::arg("where_ids"), py::arg("where_mask"));
  module.def("augment_database", &augment, py::arg("index"), py::arg("n"), py::arg("alpha"));
  module.def("k_reciprocal", &reciprocal, py::arg("index"), py::arg("queries"), py::arg("k"), py::arg("where_ids"),
             py::arg("where_mask"), py::arg("candidates"), py::arg("k1"), py::arg("k2"), py::arg("weight"));
  module.def("diffusion", &diffuse, py::arg("index"), py::arg("queries"), py::arg("k"), py::arg("where_ids"),
             py::arg("where_mask"), py::arg("neighbours"), py::arg("candidates"), py::arg("alpha"),
             py::arg("iterations"));
}

}  // namespace pictrieve::bindings
