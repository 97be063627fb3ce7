#include <pybind11/stl.h>

#include <algorithm>
#include <optional>

#include "arrays.h"
#include "module.h"
#include "monitor.h"
#include "network_config.h"
#include "pictrieve/nn/frozen.h"
#include "pictrieve/runtime/image_network.h"
#include "pictrieve/runtime/text_network.h"

namespace pictrieve::bindings {
namespace {

std::unique_ptr<ImageNetwork> make_image_network(const std::string& architecture, const py::dict& settings,
                                                 const std::optional<std::string>& weights, uint64_t seed) {
  const NetworkConfig config = network_config_from_dict(settings);
  const py::gil_scoped_release released;  // plain C++ values only
  return weights ? ImageNetwork::load(architecture, config, read_weights(*weights))
                 : ImageNetwork::load_random(architecture, config, seed);
}

std::unique_ptr<TextNetwork> make_text_network(const std::string& architecture, const py::dict& settings,
                                               const std::optional<std::string>& weights, uint64_t seed) {
  const NetworkConfig config = network_config_from_dict(settings);
  const py::gil_scoped_release released;  // plain C++ values only
  return weights ? TextNetwork::load(architecture, config, read_weights(*weights))
                 : TextNetwork::load_random(architecture, config, seed);
}

/// What run_images writes for each picture, in the order of the names asked for.
py::list run_images(const ImageNetwork& self, const py::array& pixels, const std::vector<std::string>& outputs) {
  require_exact<float>(pixels, 4, "pixels", "(n, 3, H, W)");
  const int n = static_cast<int>(pixels.shape(0)), height = static_cast<int>(pixels.shape(2)),
            width = static_cast<int>(pixels.shape(3));
  require(pixels.shape(1) == 3 && height > 0 && width > 0, "pixels: expected (n, 3, H, W), got ", describe(pixels));
  const auto wanted = [&](const char* name) { return std::ranges::find(outputs, name) != outputs.end(); };
  const FeatureMapShape shape = wanted("feature_map") ? self.feature_map_shape(height, width) : FeatureMapShape{};
  const Matrix<float> map(n, shape.size());
  const Matrix<float> features(wanted("features") ? n : 0, self.dim());
  const Matrix<float> logits(wanted("logits") ? n : 0, self.classes());
  const auto* data = static_cast<const float*>(pixels.data());
  const py::object no_progress = py::none();
  {
    const py::gil_scoped_release released;  // the caller holds the array
    parallel_for(
        n, 1,
        [&](int64_t begin, int64_t end, Worker) {
          ImageOutputs out;
          if (wanted("features")) out.features = features.view().slice(begin, end);
          if (wanted("logits")) out.logits = logits.view().slice(begin, end);
          if (wanted("feature_map")) out.feature_map = map.row(begin);
          self.run(data + begin * 3 * height * width, 1, height, width, out);
        },
        python_monitor(no_progress));
  }
  py::list results;
  for (const std::string& name : outputs) {
    require(name == "features" || name == "logits" || name == "feature_map",
            "outputs: expected 'feature_map', 'features' or 'logits', got '", name, "'");
    if (name == "feature_map") {
      results.append(
          array_from_owner<float>(map.storage(), map.data(), {n, shape.channels, shape.height, shape.width}));
    } else {
      results.append(array_from_matrix(name == "features" ? features : logits));
    }
  }
  return results;
}

/// Packed tokens; pieces of about preferred_tokens(), or less where there are few, go to the workers.
py::array hidden_states(const TextNetwork& self, const py::array& ids, const py::array& offsets) {
  const auto tokens = vector_from_array<int32_t>(ids, "ids");
  const auto starts = vector_from_array<int64_t>(offsets, "offsets");
  const int64_t texts = starts.cols - 1;
  const bool ordered = std::is_sorted(starts.data, starts.data + starts.cols);
  require(texts >= 0 && starts.data[0] == 0 && starts.data[texts] == tokens.cols && ordered,
          "offsets: expected to grow from 0 to ", tokens.cols);
  const int64_t share = (tokens.cols + num_threads() - 1) / num_threads();
  const int64_t budget = std::min<int64_t>(self.preferred_tokens(), share);
  std::vector<int64_t> pieces{0};  // first text of each piece
  for (int64_t text = 1; text < texts; ++text)
    if (starts.data[text + 1] - starts.data[pieces.back()] > budget) pieces.push_back(text);
  if (texts > 0) pieces.push_back(texts);
  const Matrix<float> out(tokens.cols, self.hidden_size());
  const py::object no_progress = py::none();
  {
    const py::gil_scoped_release released;  // the caller holds both arrays
    parallel_for(
        static_cast<int64_t>(pieces.size()) - 1, 1,
        [&](int64_t piece, int64_t, Worker) {
          const int64_t first = pieces[piece], last = pieces[piece + 1];
          const int64_t begin = starts.data[first], end = starts.data[last];
          std::vector<int64_t> local(starts.data + first, starts.data + last + 1);
          for (int64_t& offset : local) offset -= begin;
          self.hidden_states({tokens.data + begin, static_cast<size_t>(end - begin)}, local,
                             out.view().slice(begin, end));
        },
        python_monitor(no_progress));
  }
  return array_from_matrix(out);
}

}  // namespace

void bind_nn(py::module_& module) {
  module.def("image_architectures", &image_architectures);
  module.def(
      "image_facts",
      [](const std::string& architecture, const py::dict& settings) {
        const ImageFacts facts = image_facts(architecture, network_config_from_dict(settings));
        return py::make_tuple(facts.dim, facts.classes, facts.input_size, facts.least_size);
      },
      py::arg("architecture"), py::arg("config"));
  module.def("text_architectures", &text_architectures);
  // std::shared_ptr, because encoders share their network.
  py::class_<ImageNetwork, std::shared_ptr<ImageNetwork>>(module, "FrozenImageNetwork")
      .def(py::init(&make_image_network), py::arg("architecture"), py::arg("config"), py::arg("weights"),
           py::arg("seed"))
      .def("run", &run_images, py::arg("pixels"), py::arg("outputs"))
      .def_property_readonly("dim", &ImageNetwork::dim)
      .def_property_readonly("classes", &ImageNetwork::classes)
      .def_property_readonly("input_size", &ImageNetwork::input_size)
      .def_property_readonly("least_size", &ImageNetwork::least_size);
  py::class_<TextNetwork, std::shared_ptr<TextNetwork>>(module, "FrozenTextNetwork")
      .def(py::init(&make_text_network), py::arg("architecture"), py::arg("config"), py::arg("weights"),
           py::arg("seed"))
      .def("hidden_states", &hidden_states, py::arg("ids"), py::arg("offsets"))
      .def_property_readonly("dim", &TextNetwork::dim)
      .def_property_readonly("hidden_size", &TextNetwork::hidden_size)
      .def_property_readonly("max_tokens", &TextNetwork::max_tokens)
      .def_property_readonly("pooling", &TextNetwork::pooling);
}

}  // namespace pictrieve::bindings
