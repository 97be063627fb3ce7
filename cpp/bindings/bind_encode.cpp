#include <pybind11/stl.h>

#include <algorithm>

#include "arrays.h"
#include "image_sources.h"
#include "module.h"
#include "monitor.h"
#include "pictrieve/encode/image_encoder.h"
#include "pictrieve/encode/text_encoder.h"
#include "texts.h"

namespace pictrieve::bindings {
namespace {

std::unique_ptr<TextEncoder> make_text_encoder(std::shared_ptr<TextNetwork> network,
                                               std::shared_ptr<Tokenizer> tokenizer, const std::string& pooling,
                                               int64_t max_length) {
  const Pooling pooled = pooling_named(pooling);
  return std::make_unique<TextEncoder>(std::move(network), std::move(tokenizer),
                                       TextEncoder::Options{pooled, max_length});
}

/// `mean` and `matrix` are None without whitening.
ImageEncoder::Description description_of(std::vector<Preprocess> views, const std::string& pooling,
                                         const py::object& mean, const py::object& matrix) {
  ImageEncoder::Description description{std::move(views), map_pooling_named(pooling)};
  if (matrix.is_none()) return description;
  const auto rows = matrix_from_array<float>(py::cast<py::array>(matrix), "whitening matrix");
  const auto centre = vector_from_array<float>(py::cast<py::array>(mean), "whitening mean");
  Whitening& whitening = description.whitening;
  whitening.mean.assign(centre.data, centre.data + centre.cols);
  whitening.matrix = Matrix<float>(rows.rows, rows.cols);
  std::copy_n(rows.data, rows.size(), whitening.matrix.data());
  return description;
}

template <class Network>
std::unique_ptr<ImageEncoder> make_image_encoder(std::shared_ptr<Network> network, const std::vector<Preprocess>& views,
                                                 const std::string& pooling, const py::object& mean,
                                                 const py::object& matrix) {
  return std::make_unique<ImageEncoder>(std::move(network), description_of(views, pooling, mean, matrix));
}

py::list encode_images(const ImageEncoder& self, const py::list& images, py::array features, py::array probabilities,
                       bool normalize, bool stop_at_failure, int64_t first_index, const py::object& progress) {
  const std::vector<ImageSource> sources = image_sources_from_list(images);
  const ImageRows rows{writable_matrix_from_array<float>(features, "features"),
                       writable_matrix_from_array<float>(probabilities, "probabilities")};
  std::vector<ImageFailure> failures;
  {
    const py::gil_scoped_release released;  // the caller holds the list and both arrays
    failures = self.encode(sources, {normalize, stop_at_failure, first_index}, rows, python_monitor(progress));
  }
  py::list found;
  for (const auto& [index, reason] : failures) found.append(py::make_tuple(index, text_of(reason)));
  return found;
}

std::pair<int64_t, int64_t> encode_texts(const TextEncoder& self, const py::list& texts, py::array rows, bool normalize,
                                         const py::object& progress) {
  const py::tuple held(texts);
  const std::vector<std::string_view> views = texts_from_tuple(held);
  const MatrixView<float> target = writable_matrix_from_array<float>(rows, "rows");
  const py::gil_scoped_release released;  // the texts are held by `held`
  const Truncation truncation = self.encode(views, normalize, target, python_monitor(progress));
  return {truncation.texts, truncation.tokens};
}

}  // namespace

void bind_encode(py::module_& module) {
  py::class_<ScriptNetwork, std::shared_ptr<ScriptNetwork>>(module, "ScriptNetwork")
      .def(py::init(&ScriptNetwork::load), py::arg("path"), py::call_guard<py::gil_scoped_release>());
  py::class_<ImageEncoder>(module, "ImageEncoder")
      .def(py::init(&make_image_encoder<ImageNetwork>), py::arg("network"), py::arg("views"), py::arg("pooling"),
           py::arg("mean") = py::none(), py::arg("matrix") = py::none())
      .def(py::init(&make_image_encoder<ScriptNetwork>), py::arg("network"), py::arg("views"), py::arg("pooling"),
           py::arg("mean") = py::none(), py::arg("matrix") = py::none())
      .def("encode", &encode_images, py::arg("images"), py::arg("features"), py::arg("probabilities"), py::kw_only(),
           py::arg("normalize"), py::arg("stop_at_failure"), py::arg("first_index"), py::arg("progress") = py::none())
      .def_property_readonly("dim", &ImageEncoder::dim)
      .def_property_readonly("classes", &ImageEncoder::classes);
  py::class_<TextEncoder>(module, "TextEncoder")
      .def(py::init(&make_text_encoder), py::arg("network"), py::arg("tokenizer"), py::arg("pooling"),
           py::arg("max_length"))
      .def("encode", &encode_texts, py::arg("texts"), py::arg("rows"), py::kw_only(), py::arg("normalize"),
           py::arg("progress") = py::none())
      .def_property_readonly("dim", &TextEncoder::dim);
}

}  // namespace pictrieve::bindings
