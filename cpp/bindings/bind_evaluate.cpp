#include <pybind11/stl.h>

#include <optional>
#include <string>
#include <utility>

#include "arrays.h"
#include "module.h"
#include "monitor.h"
#include "pictrieve/evaluate/ranking.h"

namespace pictrieve::bindings {
namespace {

using ListArrays = std::pair<py::array, py::array>;  ///< ids and offsets

IdLists lists_from_arrays(const ListArrays& arrays, const char* name) {
  const auto ids = vector_from_array<int64_t>(arrays.first, name).row_span(0);
  const auto offsets = vector_from_array<int64_t>(arrays.second, name).row_span(0);
  bool rising = !offsets.empty() && offsets.front() == 0 && offsets.back() == static_cast<int64_t>(ids.size());
  for (size_t i = 1; rising && i < offsets.size(); ++i) rising = offsets[i - 1] <= offsets[i];
  require(rising, name, ": expected offsets that rise from 0 to ", ids.size());
  return {ids, offsets};
}

PrecisionDivisor divisor_from_name(const std::string& name) {
  if (name == "all") return PrecisionDivisor::AllRelevant;
  if (name == "reachable") return PrecisionDivisor::ReachableAtK;
  require(name == "hits", "divisor: expected all, reachable or hits, got '", name, "'");
  return PrecisionDivisor::HitsAtK;
}

py::array_t<double> evaluate(const ListArrays& ranked, const ListArrays& relevant,
                             const std::optional<py::array>& gains, const std::optional<ListArrays>& junk,
                             const py::array& ks, const std::string& divisor) {
  RetrievalInput input{lists_from_arrays(ranked, "ranked_ids"), lists_from_arrays(relevant, "relevant"), {}, {}};
  if (gains) input.gains = vector_from_array<double>(*gains, "gains").row_span(0);
  if (junk) input.junk = lists_from_arrays(*junk, "junk");
  const RetrievalOptions options{divisor_from_name(divisor), vector_from_array<int64_t>(ks, "ks").row_span(0)};
  Matrix<double> values;
  const py::none no_progress;
  {
    const py::gil_scoped_release released;
    values = evaluate_rankings(input, options, python_monitor(no_progress));
  }
  return array_from_matrix(values);
}

}  // namespace

void bind_evaluate(py::module_& module) {
  module.def("evaluate_rankings", &evaluate, py::arg("ranked"), py::arg("relevant"), py::arg("gains"), py::arg("junk"),
             py::arg("ks"), py::arg("divisor"));
}

}  // namespace pictrieve::bindings
