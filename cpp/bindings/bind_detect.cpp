#include <pybind11/stl.h>

#include <optional>

#include "arrays.h"
#include "image_sources.h"
#include "module.h"
#include "monitor.h"
#include "network_config.h"
#include "pictrieve/detect/detector.h"
#include "pictrieve/nn/state_dict.h"

namespace pictrieve::bindings {
namespace {

std::unique_ptr<Detector> make_detector(const py::dict& settings, const std::optional<std::string>& weights,
                                        uint64_t seed, const py::dict& options) {
  const NetworkConfig config = network_config_from_dict(settings);
  const DetectorOptions chosen{options["least_score"].cast<float>(), options["most_overlap"].cast<float>(),
                               options["most_detections"].cast<int>(), options["short_side"].cast<int>(),
                               options["long_side"].cast<int>()};
  const py::gil_scoped_release released;  // plain C++ values only
  std::shared_ptr<const DetectorNetwork> network =
      weights ? DetectorNetwork::load(config, read_weights(*weights)) : DetectorNetwork::load_random(config, seed);
  return std::make_unique<Detector>(std::move(network), chosen);
}

/// For each picture its boxes (n, 4), labels and scores.
py::list detect(const Detector& self, const py::list& images, const py::object& progress) {
  const std::vector<ImageSource> sources = image_sources_from_list(images);
  std::vector<std::vector<Detection>> found(sources.size());
  {
    const py::gil_scoped_release released;  // the caller holds the list
    parallel_for(
        static_cast<int64_t>(sources.size()), 1,
        [&](int64_t begin, int64_t, Worker) { found[begin] = self.detect(decode_source(sources[begin])); },
        python_monitor(progress));
  }
  py::list results;
  for (const std::vector<Detection>& detections : found) {
    const auto count = static_cast<int64_t>(detections.size());
    const Matrix<float> boxes(count, 4), scores(1, count);
    const Matrix<int64_t> labels(1, count);
    for (int64_t i = 0; i < count; ++i) {
      const auto& [box, label, score] = detections[i];
      const float corners[] = {box.x1, box.y1, box.x2, box.y2};
      std::copy(corners, corners + 4, boxes.row(i));
      labels.data()[i] = label;
      scores.data()[i] = score;
    }
    results.append(py::make_tuple(array_from_matrix(boxes),
                                  array_from_owner<int64_t>(labels.storage(), labels.data(), {count}),
                                  array_from_owner<float>(scores.storage(), scores.data(), {count})));
  }
  return results;
}

}  // namespace

void bind_detect(py::module_& module) {
  py::class_<Detector>(module, "Detector")
      .def(py::init(&make_detector), py::arg("config"), py::arg("weights"), py::arg("seed"), py::arg("options"))
      .def("detect", &detect, py::arg("images"), py::arg("progress") = py::none())
      .def_property_readonly("classes", &Detector::classes);
}

}  // namespace pictrieve::bindings
