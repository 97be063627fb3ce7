#include <pybind11/stl.h>

#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "arrays.h"
#include "module.h"
#include "monitor.h"
#include "pictrieve/rank/calibration.h"
#include "pictrieve/rank/diversity.h"
#include "pictrieve/rank/fusion.h"

namespace pictrieve::bindings {
namespace {

using RankingArrays = std::tuple<py::array, py::array, py::array>;  ///< ids, scores and offsets

/// Throws unless offsets rise from 0 to `total`.
std::span<const int64_t> offsets_from_array(const py::array& array, int64_t total, const char* name) {
  const auto offsets = vector_from_array<int64_t>(array, name).row_span(0);
  bool rising = !offsets.empty() && offsets.front() == 0 && offsets.back() == total;
  for (size_t i = 1; rising && i < offsets.size(); ++i) rising = offsets[i - 1] <= offsets[i];
  require(rising, name, ": expected offsets that rise from 0 to ", total);
  return offsets;
}

ChannelRankings channel_from_arrays(const RankingArrays& arrays) {
  const auto& [ids, scores, offsets] = arrays;
  const auto id_view = vector_from_array<int64_t>(ids, "ids");
  const auto score_view = vector_from_array<float>(scores, "scores");
  require(id_view.cols == score_view.cols, "scores: expected one for each of ", id_view.cols, " ids, got ",
          score_view.cols);
  return {id_view.row_span(0), score_view.row_span(0), offsets_from_array(offsets, id_view.cols, "offsets")};
}

ChannelValue value_from_name(const std::string& name) {
  if (name == "rrf") return ChannelValue::ReciprocalRank;
  if (name == "zscore") return ChannelValue::ZScore;
  if (name == "minmax") return ChannelValue::MinMax;
  require(name == "none", "normalize: expected zscore, minmax or none, got '", name, "'");
  return ChannelValue::Score;
}

template <typename T>
py::array_t<T> flat_array(const Matrix<T>& matrix) {
  return array_from_owner<T>(matrix.storage(), matrix.data(), {matrix.rows() * matrix.cols()});
}

py::array_t<int64_t> array_from_offsets(const std::vector<int64_t>& values) {
  auto owner = std::make_shared<std::vector<int64_t>>(values);
  return array_from_owner(owner, owner->data(), {static_cast<py::ssize_t>(owner->size())});
}

py::tuple fuse(const std::vector<RankingArrays>& channels, int64_t k, const std::string& value, double constant,
               const std::vector<double>& weights, std::optional<double> missing) {
  std::vector<ChannelRankings> rankings;
  for (const RankingArrays& arrays : channels) rankings.push_back(channel_from_arrays(arrays));
  const FusionOptions options{k, value_from_name(value), constant, weights, missing};
  FusedRankings fused;
  const py::none no_progress;
  const Monitor monitor = python_monitor(no_progress);
  {
    const py::gil_scoped_release released;  // the arrays are held by the caller
    fused = fuse_rankings(rankings, options, monitor);
  }
  return py::make_tuple(flat_array(fused.ids), flat_array(fused.scores), array_from_matrix(fused.contributions),
                        array_from_offsets(fused.offsets));
}

py::tuple mmr(const py::array& ids, const std::optional<py::array>& scores, const py::array& rows,
              const py::array& offsets, const std::optional<py::array>& queries, const py::array& vectors, int64_t k,
              double diversity, const std::string& metric) {
  Candidates candidates;
  candidates.ids = vector_from_array<int64_t>(ids, "ids").row_span(0);
  candidates.rows = vector_from_array<int64_t>(rows, "rows").row_span(0);
  candidates.offsets = offsets_from_array(offsets, ids.size(), "offsets");
  if (scores) candidates.relevance = vector_from_array<float>(*scores, "scores").row_span(0);
  require(!scores || scores->size() == ids.size(), "scores: expected one for each of ", ids.size(), " ids, got ",
          scores ? scores->size() : 0);
  if (queries) candidates.queries = matrix_from_array<float>(*queries, "query");
  const auto view = matrix_from_array<float>(vectors, "vectors");
  Diversified chosen;
  const py::none no_progress;
  const Monitor monitor = python_monitor(no_progress);
  {
    const py::gil_scoped_release released;  // the arrays are held by the caller
    chosen = diversify(candidates, view, {k, diversity, metric}, monitor);
  }
  return py::make_tuple(flat_array(chosen.places), flat_array(chosen.relevance), array_from_offsets(chosen.offsets));
}

py::array_t<double> null_confidences(const py::array& means, const py::array& deviations, bool fisher, int64_t items,
                                     const py::array& scores) {
  const NullModel model{vector_from_array<double>(means, "means").row_span(0),
                        vector_from_array<double>(deviations, "deviations").row_span(0), fisher};
  const auto view = vector_from_array<double>(scores, "scores").row_span(0);
  Matrix<double> result;
  const py::none no_progress;
  const Monitor monitor = python_monitor(no_progress);
  {
    const py::gil_scoped_release released;  // the arrays are held by the caller
    result = confidences(model, items, view, monitor);
  }
  return flat_array(result);
}

}  // namespace

void bind_rank_fusion(py::module_& module) {
  module.def("fuse_rankings", &fuse, py::arg("channels"), py::arg("k"), py::arg("value"), py::arg("constant"),
             py::arg("weights"), py::arg("missing"));
  module.def("mmr", &mmr, py::arg("ids"), py::arg("scores"), py::arg("rows"), py::arg("offsets"), py::arg("queries"),
             py::arg("vectors"), py::arg("k"), py::arg("diversity"), py::arg("metric"));
  module.def("null_confidences", &null_confidences, py::arg("means"), py::arg("deviations"), py::arg("fisher"),
             py::arg("items"), py::arg("scores"));
}

}  // namespace pictrieve::bindings
