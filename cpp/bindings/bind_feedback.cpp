#include <pybind11/stl.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "arrays.h"
#include "module.h"
#include "monitor.h"
#include "pictrieve/rank/feedback.h"
#include "pictrieve/rank/linear_model.h"
#include "pictrieve/rank/profile.h"

namespace pictrieve::bindings {
namespace {

template <typename T>
py::array_t<T> array_from_vector(std::vector<T> values) {
  auto owner = std::make_shared<std::vector<T>>(std::move(values));
  return array_from_owner<T>(owner, owner->data(), {static_cast<py::ssize_t>(owner->size())});
}

LinearLoss loss_from_name(const std::string& name) {
  if (name == "logistic") return LinearLoss::Logistic;
  if (name == "hinge") return LinearLoss::Hinge;
  require(name == "squared_hinge", "loss: expected logistic, hinge or squared_hinge, got '", name, "'");
  return LinearLoss::SquaredHinge;
}

py::tuple fit(const py::array& rows, const py::array& targets, const py::array& weights, const std::string& loss,
              double l2, const std::optional<py::array>& start, double start_bias, uint64_t seed) {
  const LinearExamples examples{matrix_from_array<float>(rows, "rows"),
                                vector_from_array<int8_t>(targets, "targets").row_span(0),
                                vector_from_array<double>(weights, "weights").row_span(0)};
  LinearOptions options;
  options.loss = loss_from_name(loss);
  options.l2 = l2;
  options.seed = seed;
  LinearStart from{{}, start_bias};
  if (start) from.coefficients = vector_from_array<double>(*start, "start").row_span(0);
  const py::none no_progress;
  LinearModel model;
  {
    const py::gil_scoped_release released;  // the arrays are held by the caller
    model = fit_linear(examples, options, from, python_monitor(no_progress));
  }
  return py::make_tuple(array_from_vector(std::move(model.direction)), model.bias,
                        array_from_vector(std::move(model.coefficients)), model.objective, model.rounds, model.gap);
}

py::array_t<float> rocchio_query(const std::optional<py::array>& query, const py::array& relevant,
                                 const py::array& irrelevant, double alpha, double beta, double gamma) {
  std::span<const float> start;
  if (query) start = vector_from_array<float>(*query, "query").row_span(0);
  return array_from_vector(rocchio(start, matrix_from_array<float>(relevant, "relevant"),
                                   matrix_from_array<float>(irrelevant, "irrelevant"), {alpha, beta, gamma}));
}

py::tuple questions(const py::array& rows, const py::array& scores, float boundary, int64_t pool, int64_t count) {
  std::vector<int64_t> chosen;
  std::vector<float> similarity;
  for (const Question& question :
       choose_questions(matrix_from_array<float>(rows, "rows"), vector_from_array<float>(scores, "scores").row_span(0),
                        boundary, pool, count)) {
    chosen.push_back(question.row);
    similarity.push_back(question.similarity);
  }
  return py::make_tuple(array_from_vector(std::move(chosen)), array_from_vector(std::move(similarity)));
}

py::tuple clusters(const py::array& rows, const py::array& weights, int64_t count, uint64_t seed) {
  const auto view = matrix_from_array<float>(rows, "rows");
  const auto each = vector_from_array<double>(weights, "weights").row_span(0);
  const py::none no_progress;
  SphericalClusters found;
  {
    const py::gil_scoped_release released;  // the arrays are held by the caller
    found = spherical_kmeans(view, each, count, seed, python_monitor(no_progress));
  }
  return py::make_tuple(array_from_matrix(found.centres), array_from_vector(std::move(found.labels)), found.similarity);
}

double mean_silhouette(const py::array& rows, const py::array& weights, const py::array& labels) {
  const auto view = matrix_from_array<float>(rows, "rows");
  const auto each = vector_from_array<double>(weights, "weights").row_span(0);
  const auto of = vector_from_array<int64_t>(labels, "labels").row_span(0);
  const py::gil_scoped_release released;  // the arrays are held by the caller
  return silhouette(view, each, of);
}

}  // namespace

void bind_feedback(py::module_& module) {
  module.def("fit_linear", &fit, py::arg("rows"), py::arg("targets"), py::arg("weights"), py::arg("loss"),
             py::arg("l2"), py::arg("start"), py::arg("start_bias"), py::arg("seed"));
  module.def("rocchio", &rocchio_query, py::arg("query"), py::arg("relevant"), py::arg("irrelevant"), py::arg("alpha"),
             py::arg("beta"), py::arg("gamma"));
  module.def("choose_questions", &questions, py::arg("rows"), py::arg("scores"), py::arg("boundary"), py::arg("pool"),
             py::arg("count"));
  module.def("spherical_kmeans", &clusters, py::arg("rows"), py::arg("weights"), py::arg("count"), py::arg("seed"));
  module.def("silhouette", &mean_silhouette, py::arg("rows"), py::arg("weights"), py::arg("labels"));
}

}  // namespace pictrieve::bindings
