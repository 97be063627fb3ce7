#include <pybind11/stl.h>

#include "arrays.h"
#include "image_sources.h"
#include "module.h"
#include "monitor.h"
#include "pictrieve/encode/image_encoder.h"
#include "pictrieve/encode/text_encoder.h"
#include "pictrieve/nn/state_dict.h"
#include "texts.h"

namespace pictrieve::bindings {
namespace {

constexpr uint64_t kSeed = 0;  // of networks with random weights

std::shared_ptr<const ImageNetwork> load_image_network(const std::string& architecture,
                                                       const std::optional<std::string>& weights) {
  const py::gil_scoped_release released;  // plain C++ values only
  return weights ? ImageNetwork::load(architecture, read_weights(*weights))
                 : ImageNetwork::load_random(architecture, kSeed);
}

BertConfig bert_config_from_dict(const py::dict& values) {
  BertConfig config;
  const auto take = [&](const char* name, auto& field) {
    if (values.contains(name)) field = values[name].cast<std::remove_reference_t<decltype(field)>>();
  };
  take("vocab_size", config.vocab_size);
  take("hidden_size", config.hidden_size);
  take("num_hidden_layers", config.num_hidden_layers);
  take("num_attention_heads", config.num_attention_heads);
  take("intermediate_size", config.intermediate_size);
  take("max_position_embeddings", config.max_position_embeddings);
  take("type_vocab_size", config.type_vocab_size);
  take("layer_norm_eps", config.layer_norm_eps);
  return config;
}

std::unique_ptr<TextEncoder> make_text_encoder(const py::dict& config_values, const std::optional<std::string>& weights,
                                               const WordPieceTokenizer& tokenizer, const std::string& pooling,
                                               int64_t max_length) {
  require(pooling == "mean" || pooling == "cls", "pooling: expected 'mean' or 'cls', got '", pooling, "'");
  const BertConfig config = bert_config_from_dict(config_values);
  const Pooling pooled = pooling == "cls" ? Pooling::kFirst : Pooling::kMean;
  const py::gil_scoped_release released;  // the tokenizer is kept alive by the caller's reference
  std::shared_ptr<const TextNetwork> network =
      weights ? TextNetwork::load(config, read_weights(*weights)) : TextNetwork::load_random(config, kSeed);
  return std::make_unique<TextEncoder>(std::move(network), tokenizer, TextEncoder::Options{pooled, max_length});
}

std::vector<std::pair<int64_t, std::string>> encode_images(const ImageEncoder& self, const py::list& images,
                                                           py::array features, py::array probabilities, bool normalize,
                                                           bool stop_at_failure, int64_t batch,
                                                           const py::object& progress) {
  const std::vector<ImageSource> sources = image_sources_from_list(images);
  const ImageRows rows{writable_matrix_from_array<float>(features, "features"),
                       writable_matrix_from_array<float>(probabilities, "probabilities")};
  std::vector<ImageFailure> failures;
  {
    const py::gil_scoped_release released;  // the caller holds the list and both arrays
    failures = self.encode(sources, {normalize, stop_at_failure, batch}, rows, python_monitor(progress));
  }
  std::vector<std::pair<int64_t, std::string>> found;
  for (ImageFailure& failure : failures) found.emplace_back(failure.index, std::move(failure.reason));
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
  py::class_<ImageEncoder>(module, "ImageEncoder")
      .def(py::init([](const std::string& architecture, const std::optional<std::string>& weights,
                       const Preprocess& preprocess) {
             return ImageEncoder(load_image_network(architecture, weights), preprocess);
           }),
           py::arg("architecture"), py::arg("weights"), py::arg("preprocess"))
      .def("encode", &encode_images, py::arg("images"), py::arg("features"), py::arg("probabilities"), py::kw_only(),
           py::arg("normalize"), py::arg("stop_at_failure"), py::arg("batch"), py::arg("progress") = py::none())
      .def_property_readonly("dim", &ImageEncoder::dim)
      .def_property_readonly("classes", &ImageEncoder::classes);
  py::class_<TextEncoder>(module, "TextEncoder")
      .def(py::init(&make_text_encoder), py::arg("config"), py::arg("weights"), py::arg("tokenizer"),
           py::arg("pooling"), py::arg("max_length"))
      .def("encode", &encode_texts, py::arg("texts"), py::arg("rows"), py::kw_only(), py::arg("normalize"),
           py::arg("progress") = py::none())
      .def_property_readonly("dim", &TextEncoder::dim);
}

}  // namespace pictrieve::bindings
