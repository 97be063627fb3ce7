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

/// float32 rows, or uint8 for bits.
VectorsView vectors_from_array(const py::array& array, const char* name) {
  if (py::isinstance<py::array_t<uint8_t>>(array)) return matrix_from_array<uint8_t>(array, name);
  return matrix_from_array<float>(array, name);
}

void add(Index& index, const py::array& rows, const std::optional<py::array>& ids, bool replace,
         const py::object& progress) {
  const VectorsView view = vectors_from_array(rows, "x");
  const auto chosen = optional_span<int64_t>(ids, "ids").value_or(std::span<const int64_t>{});
  require(!ids || static_cast<int64_t>(chosen.size()) == view.rows(), "ids: expected one for each of the ", view.rows(),
          " rows, got ", chosen.size());
  const Monitor monitor = python_monitor(progress);
  const py::gil_scoped_release released;  // the arrays are held by the caller
  index.add(view, chosen, replace, monitor);
}

py::object search(const Index& index, const py::array& queries, int64_t k, const std::optional<py::array>& where_ids,
                  const std::optional<py::array>& where_mask, std::optional<float> min_score,
                  const SearchParams& params, bool exact, std::optional<py::array> out_ids,
                  std::optional<py::array> out_scores) {
  SearchOptions options;
  options.where = filter_from(where_ids, where_mask);
  options.min_score = min_score;
  options.params = params;
  options.exact = exact;
  if (out_ids) options.out_ids = writable_matrix_from_array<int64_t>(*out_ids, "out[0]");
  if (out_scores) options.out_scores = writable_matrix_from_array<float>(*out_scores, "out[1]");
  const VectorsView view = vectors_from_array(queries, "queries");
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
  const VectorsView view = vectors_from_array(queries, "queries");
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

py::array reconstruct(const Index& index, const py::array& ids) {
  const auto view = vector_from_array<int64_t>(ids, "ids");
  bool bits = false;
  Matrix<float> rows;
  Matrix<uint8_t> packed;
  {
    const py::gil_scoped_release released;  // the array is held by the caller; a writer may wait for the GIL
    bits = index.info().dtype == "bits";
    if (bits)
      packed = index.reconstruct_bits(view.row_span(0));
    else
      rows = index.reconstruct(view.row_span(0));
  }
  return bits ? py::array(array_from_matrix(packed)) : py::array(array_from_matrix(rows));
}

void train(Index& index, const py::array& rows, const py::object& progress) {
  const VectorsView view = vectors_from_array(rows, "x");
  const Monitor monitor = python_monitor(progress);
  const py::gil_scoped_release released;  // the array is held by the caller
  index.train(view, monitor);
}

void compact(Index& index, const py::object& progress) {
  const Monitor monitor = python_monitor(progress);
  const py::gil_scoped_release released;
  index.compact(monitor);
}

py::array_t<int64_t> ids(const Index& index) {
  Matrix<int64_t> ids;
  {
    const py::gil_scoped_release released;  // a writer that holds the index may be waiting for the GIL
    ids = index.ids();
  }
  return array_from_owner(ids.storage(), ids.data(), {ids.cols()});
}

std::unique_ptr<Index> create(int64_t dim, std::string metric, std::string factory, std::string dtype, uint64_t seed,
                              int ef_construction) {
  return Index::create({dim, std::move(metric), std::move(factory), std::move(dtype), seed, ef_construction});
}

}  // namespace

void bind_index(py::module_& module) {
  using released = py::call_guard<py::gil_scoped_release>;  // for calls whose arguments are plain C++ values
  py::class_<SearchParams>(module, "SearchParams")
      .def(py::init([](int ef_search, int nprobe, int k_factor) { return SearchParams{ef_search, nprobe, k_factor}; }),
           py::arg("ef_search"), py::arg("nprobe"), py::arg("k_factor"))
      .def_readonly("ef_search", &SearchParams::ef_search)
      .def_readonly("nprobe", &SearchParams::nprobe)
      .def_readonly("k_factor", &SearchParams::k_factor);
  py::class_<IndexInfo>(module, "IndexInfo")
      .def_readonly("dim", &IndexInfo::dim)
      .def_readonly("metric", &IndexInfo::metric)
      .def_readonly("factory", &IndexInfo::factory)
      .def_readonly("dtype", &IndexInfo::dtype)
      .def_readonly("params", &IndexInfo::params)
      .def_readonly("approximate", &IndexInfo::approximate)
      .def_readonly("trained", &IndexInfo::trained)
      .def_readonly("removed", &IndexInfo::removed)
      .def_readonly("bytes_vectors", &IndexInfo::bytes_vectors)
      .def_readonly("bytes_structure", &IndexInfo::bytes_structure);
  py::class_<Index>(module, "Index")
      .def_static("create", &create, py::arg("dim"), py::arg("metric"), py::arg("factory"), py::arg("dtype"),
                  py::arg("seed"), py::arg("ef_construction"))
      .def_static("load", &Index::load, py::arg("path"), py::arg("map"), released())
      .def("add", &add, py::arg("x"), py::arg("ids"), py::arg("replace"), py::arg("progress"))
      .def("remove", &remove, py::arg("ids"))
      .def("search", &search, py::arg("queries"), py::arg("k"), py::arg("where_ids"), py::arg("where_mask"),
           py::arg("min_score"), py::arg("params"), py::arg("exact"), py::arg("out_ids"), py::arg("out_scores"))
      .def("range_search", &range_search, py::arg("queries"), py::arg("threshold"), py::arg("where_ids"),
           py::arg("where_mask"))
      .def("reconstruct", &reconstruct, py::arg("ids"))
      .def("ids", &ids)
      .def("size", &Index::size, released())
      .def("info", &Index::info, released())
      .def("set_params", &Index::set_params, py::arg("params"), released())
      .def("train", &train, py::arg("x"), py::arg("progress"))
      .def("compact", &compact, py::arg("progress"))
      .def("save", &Index::save, py::arg("path"), py::arg("note"), released())
      .def("note", &Index::note, released())
      .def("verify", &Index::verify, released());
}

}  // namespace pictrieve::bindings
