#include <pybind11/stl.h>

#include <optional>
#include <string>

#include "arrays.h"
#include "module.h"
#include "monitor.h"
#include "pictrieve/index/index.h"

namespace pictrieve::bindings {
namespace {

template <typename T>
std::optional<std::span<const T>> optional_span(const std::optional<py::array>& array, const char* name) {
  if (!array) return std::nullopt;
  return vector_from_array<T>(*array, name).row_span(0);
}

Filter filter_from(const std::optional<py::array>& ids, const std::optional<py::array>& mask) {
  return {optional_span<int64_t>(ids, "where"), optional_span<uint8_t>(mask, "where")};
}

py::tuple tuple_from_result(const SearchResult& result) {
  if (result.offsets.empty())
    return py::make_tuple(array_from_matrix(result.ids), array_from_matrix(result.scores), py::none());
  auto offsets = std::make_shared<std::vector<int64_t>>(result.offsets);
  return py::make_tuple(array_from_owner(result.ids.storage(), result.ids.data(), {result.ids.cols()}),
                        array_from_owner(result.scores.storage(), result.scores.data(), {result.scores.cols()}),
                        array_from_owner(offsets, offsets->data(), {static_cast<py::ssize_t>(offsets->size())}));
}

void add(Index& index, const py::array& rows, const std::optional<py::array>& ids, bool replace,
         const py::object& progress) {
  const auto view = matrix_from_array<float>(rows, "x");
  const auto chosen = optional_span<int64_t>(ids, "ids").value_or(std::span<const int64_t>{});
  require(!ids || static_cast<int64_t>(chosen.size()) == view.rows, "ids: expected one for each of the ", view.rows,
          " rows, got ", chosen.size());
  const Monitor monitor = python_monitor(progress);
  const py::gil_scoped_release released;  // the arrays are held by the caller
  index.add(view, chosen, replace, monitor);
}

py::object search(const Index& index, const py::array& queries, int64_t k, const std::optional<py::array>& where_ids,
                  const std::optional<py::array>& where_mask, std::optional<float> min_score, int ef_search, bool exact,
                  std::optional<py::array> out_ids, std::optional<py::array> out_scores) {
  SearchOptions options;
  options.where = filter_from(where_ids, where_mask);
  options.min_score = min_score;
  options.ef_search = ef_search;
  options.exact = exact;
  if (out_ids) options.out_ids = writable_matrix_from_array<int64_t>(*out_ids, "out[0]");
  if (out_scores) options.out_scores = writable_matrix_from_array<float>(*out_scores, "out[1]");
  const auto view = matrix_from_array<float>(queries, "queries");
  const py::none no_progress;
  const Monitor monitor = python_monitor(no_progress);
  SearchResult result;
  {
    const py::gil_scoped_release released;  // the arrays are held by the caller
    result = index.search(view, k, options, monitor);
  }
  if (out_ids && out_scores) return py::make_tuple(*out_ids, *out_scores, py::none());
  return tuple_from_result(result);
}

py::tuple range_search(const Index& index, const py::array& queries, float threshold,
                       const std::optional<py::array>& where_ids, const std::optional<py::array>& where_mask) {
  const Filter where = filter_from(where_ids, where_mask);
  const auto view = matrix_from_array<float>(queries, "queries");
  const py::none no_progress;
  const Monitor monitor = python_monitor(no_progress);
  SearchResult result;
  {
    const py::gil_scoped_release released;  // the arrays are held by the caller
    result = index.range_search(view, threshold, where, monitor);
  }
  return tuple_from_result(result);
}

int64_t remove(Index& index, const py::array& ids) {
  const auto view = vector_from_array<int64_t>(ids, "ids");
  const py::gil_scoped_release released;  // the array is held by the caller
  return index.remove(view.row_span(0));
}

py::array_t<float> reconstruct(const Index& index, const py::array& ids) {
  const auto view = vector_from_array<int64_t>(ids, "ids");
  Matrix<float> rows;
  {
    const py::gil_scoped_release released;  // the array is held by the caller
    rows = index.reconstruct(view.row_span(0));
  }
  return array_from_matrix(rows);
}

py::array_t<int64_t> ids(const Index& index) {
  Matrix<int64_t> ids;
  {
    const py::gil_scoped_release released;  // a writer that holds the index may be waiting for the GIL
    ids = index.ids();
  }
  return array_from_owner(ids.storage(), ids.data(), {ids.cols()});
}

std::unique_ptr<Index> create(int64_t dim, std::string metric, std::string factory, uint64_t seed,
                              int ef_construction) {
  return Index::create({dim, std::move(metric), std::move(factory), seed, ef_construction});
}

}  // namespace

void bind_index(py::module_& module) {
  using released = py::call_guard<py::gil_scoped_release>;  // for calls whose arguments are plain C++ values
  py::class_<IndexInfo>(module, "IndexInfo")
      .def_readonly("dim", &IndexInfo::dim)
      .def_readonly("metric", &IndexInfo::metric)
      .def_readonly("factory", &IndexInfo::factory)
      .def_readonly("ef_search", &IndexInfo::ef_search)
      .def_readonly("removed", &IndexInfo::removed)
      .def_readonly("bytes_vectors", &IndexInfo::bytes_vectors)
      .def_readonly("bytes_graph", &IndexInfo::bytes_graph);
  py::class_<Index>(module, "Index")
      .def_static("create", &create, py::arg("dim"), py::arg("metric"), py::arg("factory"), py::arg("seed"),
                  py::arg("ef_construction"))
      .def_static("load", &Index::load, py::arg("path"), py::arg("map"), released())
      .def("add", &add, py::arg("x"), py::arg("ids"), py::arg("replace"), py::arg("progress"))
      .def("remove", &remove, py::arg("ids"))
      .def("search", &search, py::arg("queries"), py::arg("k"), py::arg("where_ids"), py::arg("where_mask"),
           py::arg("min_score"), py::arg("ef_search"), py::arg("exact"), py::arg("out_ids"), py::arg("out_scores"))
      .def("range_search", &range_search, py::arg("queries"), py::arg("threshold"), py::arg("where_ids"),
           py::arg("where_mask"))
      .def("reconstruct", &reconstruct, py::arg("ids"))
      .def("ids", &ids)
      .def("size", &Index::size, released())
      .def("info", &Index::info, released())
      .def("set_ef_search", &Index::set_ef_search, py::arg("ef_search"), released())
      .def("save", &Index::save, py::arg("path"), py::arg("note"), released())
      .def("note", &Index::note, released())
      .def("verify", &Index::verify, released());
}

}  // namespace pictrieve::bindings
