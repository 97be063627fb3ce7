#include <optional>
#include <string>

#include "arrays.h"
#include "module.h"
#include "monitor.h"
#include "pictrieve/index/exchange/annoy_file.h"
#include "pictrieve/index/exchange/faiss_file.h"

namespace pictrieve::bindings {
namespace {

std::unique_ptr<Index> read_faiss_file(const std::string& path, const std::string& factory,
                                       const py::object& progress) {
  const Monitor monitor = python_monitor(progress);
  const py::gil_scoped_release released;
  return read_faiss(path, factory, monitor);
}

void write_faiss_file(const Index& index, const std::string& path, const py::object& progress) {
  const Monitor monitor = python_monitor(progress);
  const py::gil_scoped_release released;  // the index locks itself
  write_faiss(index, path, monitor);
}

std::unique_ptr<Index> read_annoy_file(const std::string& path, int64_t dim, const std::string& metric,
                                       const std::string& factory, const py::object& progress) {
  const Monitor monitor = python_monitor(progress);
  const py::gil_scoped_release released;
  return read_annoy(path, dim, metric, factory, monitor);
}

}  // namespace

void bind_exchange(py::module_& module) {
  module.def("read_faiss", &read_faiss_file, py::arg("path"), py::arg("factory"), py::arg("progress"));
  module.def("write_faiss", &write_faiss_file, py::arg("index"), py::arg("path"), py::arg("progress"));
  module.def("read_annoy", &read_annoy_file, py::arg("path"), py::arg("dim"), py::arg("metric"), py::arg("factory"),
             py::arg("progress"));
}

}  // namespace pictrieve::bindings
