#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <algorithm>
#include <filesystem>

#include "arrays.h"
#include "module.h"
#include "monitor.h"
#include "pictrieve/text/wordpiece.h"
#include "texts.h"

namespace pictrieve::bindings {
namespace {

template <typename T>
py::array_t<T> array_from_vector(std::vector<T> values) {
  auto owner = std::make_shared<std::vector<T>>(std::move(values));
  T* data = owner->data();
  const auto size = static_cast<py::ssize_t>(owner->size());
  return array_from_owner<T>(std::move(owner), data, {size});
}

/// Rows of `width` ids, filled behind each text with `pad_id`, and 1 where a token stands.
std::pair<Matrix<int64_t>, Matrix<int64_t>> padded(const PackedTokens& packed, int64_t pad_id) {
  const auto count = static_cast<int64_t>(packed.offsets.size()) - 1;
  int64_t width = 0;
  for (size_t i = 1; i < packed.offsets.size(); ++i) width = std::max(width, packed.offsets[i] - packed.offsets[i - 1]);
  Matrix<int64_t> ids(count, width), mask(count, width);
  parallel_for(count, 1024, [&](int64_t begin, int64_t end, Worker) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = packed.offsets[static_cast<size_t>(i)];
      const int64_t length = packed.offsets[static_cast<size_t>(i) + 1] - first;
      std::copy_n(packed.ids.begin() + first, length, ids.row(i));
      std::fill(ids.row(i) + length, ids.row(i) + width, pad_id);
      std::fill(mask.row(i), mask.row(i) + length, 1);
      std::fill(mask.row(i) + length, mask.row(i) + width, 0);
    }
  });
  return {ids, mask};
}

py::tuple encode_batch(const WordPieceTokenizer& self, const py::list& texts, int64_t max_length, bool padding,
                       int64_t pad_id, const py::object& progress) {
  const py::tuple held(texts);  // the list may change while the lock is released
  const std::vector<std::string_view> views = texts_from_tuple(held);
  PackedTokens packed;
  std::pair<Matrix<int64_t>, Matrix<int64_t>> rows;
  std::vector<int64_t> wide;
  {
    const py::gil_scoped_release released;
    packed = self.encode_batch(views, max_length, python_monitor(progress));
    if (padding) {
      rows = padded(packed, pad_id);
    } else {
      wide.assign(packed.ids.begin(), packed.ids.end());
    }
  }
  const py::tuple counts = py::make_tuple(packed.truncated_texts, packed.lost_tokens);
  py::array_t<int64_t> offsets = array_from_vector(std::move(packed.offsets));
  if (padding) return py::make_tuple(array_from_matrix(rows.first), array_from_matrix(rows.second), offsets, counts);
  return py::make_tuple(array_from_vector(std::move(wide)), py::none(), offsets, counts);
}

WordPieceOptions make_options(bool lowercase, std::optional<bool> strip_accents, bool tokenize_chinese, int max_chars) {
  return {lowercase, strip_accents, tokenize_chinese, max_chars};
}

std::vector<std::string> vocabulary_of(const WordPieceTokenizer& self) {
  std::vector<std::string> tokens;
  for (int64_t id = 0; id < self.vocab_size(); ++id) tokens.push_back(self.token(id));
  return tokens;
}

}  // namespace

void bind_text(py::module_& module) {
  using Tokens = std::vector<std::string>;
  py::class_<WordPieceTokenizer>(module, "WordPieceTokenizer")
      .def(py::init([](const py::list& tokens, bool lowercase, std::optional<bool> strip, bool chinese, int max_chars) {
             Tokens copied;
             for (const py::handle& token : tokens)
               copied.emplace_back(text_from_str(token, message("vocab[", copied.size(), "]")));
             return WordPieceTokenizer(std::move(copied), make_options(lowercase, strip, chinese, max_chars));
           }),
           py::arg("tokens"), py::arg("lowercase"), py::arg("strip_accents"), py::arg("tokenize_chinese"),
           py::arg("max_chars_per_word"))
      .def(
          "encode",
          [](const WordPieceTokenizer& self, const py::object& text) {
            const std::vector<int32_t> ids = self.encode(text_from_str(text, "text"));
            return array_from_vector(std::vector<int64_t>(ids.begin(), ids.end()));
          },
          py::arg("text"))
      .def("encode_batch", &encode_batch, py::arg("texts"), py::arg("max_length"), py::arg("padding"),
           py::arg("pad_id"), py::arg("progress"))
      .def(
          "decode",
          [](const WordPieceTokenizer& self, const py::array& ids, bool skip_special_tokens) {
            return self.decode(vector_from_array<int64_t>(ids, "ids").row_span(0), skip_special_tokens);
          },
          py::arg("ids"), py::arg("skip_special_tokens"))
      .def("id_of", &WordPieceTokenizer::id_of, py::arg("token"))
      .def("vocabulary", &vocabulary_of)
      .def_property_readonly("vocab_size", &WordPieceTokenizer::vocab_size);
  module.def(  // the type of the path takes names of any bytes, as Python's own functions do
      "read_vocabulary", [](const std::filesystem::path& path) { return Vocabulary::read_lines(path); },
      py::arg("path"));
}

}  // namespace pictrieve::bindings
