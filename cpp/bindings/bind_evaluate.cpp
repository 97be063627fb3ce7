#include <pybind11/stl.h>

#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "arrays.h"
#include "module.h"
#include "monitor.h"
#include "pictrieve/evaluate/exhaustive.h"
#include "pictrieve/evaluate/rank_correlation.h"
#include "pictrieve/evaluate/ranking.h"

namespace pictrieve::bindings {
namespace {

using ListArrays = std::pair<py::array, py::array>;  ///< ids and offsets
/// Items, their gains, the gain of all, and the list of each query.
using LevelArrays = std::tuple<ListArrays, std::optional<py::array>, double, py::array>;

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

TieRule ties_from_name(const std::string& name) {
  if (name == "lowest id") return TieRule::LowestId;
  if (name == "highest id") return TieRule::HighestId;
  if (name == "best") return TieRule::RelevantFirst;
  require(name == "worst", "ties: expected 'lowest id', 'highest id', 'best' or 'worst', got '", name, "'");
  return TieRule::RelevantLast;
}

MetricOptions metric_options(const py::array& ks, const std::string& divisor, double relevant_gain) {
  return {divisor_from_name(divisor), vector_from_array<int64_t>(ks, "ks").row_span(0), relevant_gain};
}

py::array_t<double> rankings(const ListArrays& ranked, const ListArrays& relevant,
                             const std::optional<py::array>& gains, const std::optional<ListArrays>& junk,
                             const py::array& ks, const std::string& divisor, double relevant_gain) {
  RetrievalInput input{lists_from_arrays(ranked, "ranked_ids"), lists_from_arrays(relevant, "relevant"), {}, {}};
  if (gains) input.gains = vector_from_array<double>(*gains, "gains").row_span(0);
  if (junk) input.junk = lists_from_arrays(*junk, "junk");
  const MetricOptions options = metric_options(ks, divisor, relevant_gain);
  Matrix<double> values;
  const py::none no_progress;
  {
    const py::gil_scoped_release released;  // the arrays are held by the caller
    values = evaluate_rankings(input, options, python_monitor(no_progress));
  }
  return array_from_matrix(values);
}

ExhaustiveInput exhaustive_input(const std::vector<LevelArrays>& levels, const std::optional<ListArrays>& junk,
                                 bool leave_one_out, const std::string& ties, int64_t max_memory) {
  ExhaustiveInput input{{}, {}, leave_one_out, ties_from_name(ties), max_memory};
  for (const auto& [items, gains, gain, list_of_query] : levels) {
    RelevanceLevel level{lists_from_arrays(items, "relevant"), {}, gain, {}};
    if (gains) level.gains = vector_from_array<double>(*gains, "gains").row_span(0);
    level.list_of_query = vector_from_array<int64_t>(list_of_query, "relevant").row_span(0);
    input.levels.push_back(level);
  }
  if (junk) input.junk = lists_from_arrays(*junk, "junk");
  return input;
}

/// Calls make() for the source without the GIL: it reads all rows once. The arrays are held by the caller.
template <typename Make>
py::array_t<double> measure_all(const Make& make, const ExhaustiveInput& input, const MetricOptions& options,
                                const py::object& progress) {
  Matrix<double> values;
  {
    const py::gil_scoped_release released;
    values = evaluate_all(*make(), input, options, python_monitor(progress));
  }
  return array_from_matrix(values);
}

py::array_t<double> embeddings(const py::array& queries, const std::optional<py::array>& gallery,
                               const std::string& metric, const std::vector<LevelArrays>& levels,
                               const std::optional<ListArrays>& junk, bool leave_one_out, const std::string& ties,
                               int64_t max_memory, const py::array& ks, const std::string& divisor,
                               double relevant_gain, const py::object& progress) {
  const ExhaustiveInput input = exhaustive_input(levels, junk, leave_one_out, ties, max_memory);
  const MetricOptions options = metric_options(ks, divisor, relevant_gain);
  if (!gallery) {
    const auto scores = matrix_from_array<float>(queries, "scores");
    return measure_all([&] { return score_source(scores); }, input, options, progress);
  }
  const Metric chosen = metric_from_name(metric);
  if (chosen == Metric::Hamming || py::isinstance<py::array_t<uint8_t>>(queries)) {
    const auto a = matrix_from_array<uint8_t>(queries, "queries"), b = matrix_from_array<uint8_t>(*gallery, "gallery");
    return measure_all([&] { return score_source(a, b, chosen); }, input, options, progress);
  }
  const auto a = matrix_from_array<float>(queries, "queries"), b = matrix_from_array<float>(*gallery, "gallery");
  return measure_all([&] { return score_source(a, b, chosen); }, input, options, progress);
}

py::tuple pairs(const py::array& x, const py::array& y) {
  const auto first = vector_from_array<double>(x, "x").row_span(0),
             second = vector_from_array<double>(y, "y").row_span(0);
  PairCounts counts;
  {
    const py::gil_scoped_release released;  // the arrays are held by the caller
    counts = count_pairs(first, second);
  }
  return py::make_tuple(counts.discordant, counts.equal_x, counts.equal_y, counts.equal_both);
}

}  // namespace

void bind_evaluate(py::module_& module) {
  module.def("evaluate_rankings", &rankings, py::arg("ranked"), py::arg("relevant"), py::arg("gains"), py::arg("junk"),
             py::arg("ks"), py::arg("divisor"), py::arg("relevant_gain"));
  module.def("evaluate_embeddings", &embeddings, py::arg("queries"), py::arg("gallery"), py::arg("metric"),
             py::arg("levels"), py::arg("junk"), py::arg("leave_one_out"), py::arg("ties"), py::arg("max_memory"),
             py::arg("ks"), py::arg("divisor"), py::arg("relevant_gain"), py::arg("progress"));
  module.def("count_pairs", &pairs, py::arg("x"), py::arg("y"));
}

}  // namespace pictrieve::bindings
