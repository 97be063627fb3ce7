#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "arrays.h"
#include "module.h"
#include "monitor.h"
#include "pictrieve/base/names.h"
#include "pictrieve/text/bpe.h"
#include "pictrieve/text/char_map.h"
#include "pictrieve/text/unigram.h"
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

py::tuple encode_batch(const Tokenizer& self, const py::list& texts, int64_t max_length, bool padding, int64_t pad_id,
                       const py::object& progress) {
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

std::vector<std::string> vocabulary_of(const Tokenizer& self) {
  std::vector<std::string> tokens;
  for (int64_t id = 0; id < self.vocab_size(); ++id) tokens.push_back(self.token(id));
  return tokens;
}

std::vector<std::string> strings_from_list(const py::list& texts, std::string_view name) {
  std::vector<std::string> copied;
  copied.reserve(texts.size());
  for (const py::handle& text : texts)
    copied.emplace_back(text_from_str(text, PyUnicode_Check(text.ptr()) && PyUnicode_IS_COMPACT_ASCII(text.ptr())
                                                ? std::string()
                                                : message(name, "[", copied.size(), "]")));
  return copied;
}

/// (text, id, special, lstrip, rstrip, normalized) each.
std::vector<AddedToken> added_from_list(const py::list& tokens) {
  std::vector<AddedToken> added;
  for (const py::handle& item : tokens) {
    const auto [text, id, special, lstrip, rstrip, normalized] =
        item.cast<std::tuple<py::object, int32_t, bool, bool, bool, bool>>();
    added.push_back({std::string(text_from_str(text, "added token")), id, special, lstrip, rstrip, normalized});
  }
  return added;
}

NormalizerStep step_named(const std::string& name, const std::string& from, const std::string& to) {
  using Kind = NormalizerStep::Kind;
  constexpr std::pair<std::string_view, Kind> kKinds[] = {
      {"nfc", Kind::Nfc},
      {"lowercase", Kind::Lowercase},
      {"replace", Kind::Replace},
      {"replace_any", Kind::ReplaceAny},
      {"replace_white", Kind::ReplaceWhite},
      {"replace_blanks", Kind::ReplaceBlanks},
      {"strip_left", Kind::StripLeft},
      {"strip_right", Kind::StripRight},
  };
  if (name == "map_graphemes") return {Kind::Map, {}, {}, std::make_shared<CharMap>(from, CharMap::Cut::Graphemes)};
  if (name == "map_longest") return {Kind::Map, {}, {}, std::make_shared<CharMap>(from, CharMap::Cut::Longest)};
  return {value_named("normalizer step", name, kKinds), from, to};
}

/// `normalizer` holds (name, from, to) each; a character map is bytes in the place of `from`.
TokenizerFrame make_frame(const py::list& added,
                          const std::vector<std::tuple<std::string, std::string, std::string>>& normalizer,
                          std::vector<int32_t> before, std::vector<int32_t> after, int64_t pad_to, int32_t pad_id) {
  std::vector<NormalizerStep> steps;
  for (const auto& [name, from, to] : normalizer) steps.push_back(step_named(name, from, to));
  return {added_from_list(added), Normalizer(std::move(steps)), std::move(before), std::move(after), pad_to, pad_id};
}

std::shared_ptr<WordPieceTokenizer> make_wordpiece(const py::list& tokens, bool lowercase,
                                                   std::optional<bool> strip_accents, bool tokenize_chinese,
                                                   int max_chars, const std::string& unknown,
                                                   const TokenizerFrame& frame) {
  const WordPieceOptions options{lowercase, strip_accents, tokenize_chinese, max_chars, unknown};
  return std::make_shared<WordPieceTokenizer>(strings_from_list(tokens, "vocab"), options, frame);
}

std::shared_ptr<BpeTokenizer> make_bpe(const py::list& tokens, const py::list& merges, const std::string& pattern,
                                       bool add_prefix_space, const std::string& end_of_word, bool whole_words,
                                       int32_t unknown, const TokenizerFrame& frame) {
  const BpeOptions options{word_pattern_named(pattern), add_prefix_space, end_of_word, whole_words, unknown};
  return std::make_shared<BpeTokenizer>(strings_from_list(tokens, "vocab"), strings_from_list(merges, "merges"),
                                        options, frame);
}

std::shared_ptr<UnigramTokenizer> make_unigram(const py::list& tokens, const py::array& scores, const std::string& cut,
                                               const std::string& prefix, int32_t unknown, bool byte_fallback,
                                               const TokenizerFrame& frame) {
  using Cut = UnigramOptions::Cut;
  using Prefix = UnigramOptions::Prefix;
  constexpr std::pair<std::string_view, Cut> kCuts[] = {
      {"white", Cut::White}, {"blanks", Cut::Blanks}, {"marks", Cut::Marks}, {"none", Cut::None}};
  constexpr std::pair<std::string_view, Prefix> kPrefixes[] = {
      {"always", Prefix::Always}, {"first", Prefix::First}, {"never", Prefix::Never}};
  const auto row = vector_from_array<double>(scores, "scores").row_span(0);
  const UnigramOptions options{value_named("cut", cut, kCuts), value_named("prefix", prefix, kPrefixes), unknown,
                               byte_fallback};
  return std::make_shared<UnigramTokenizer>(strings_from_list(tokens, "vocab"),
                                            std::vector<double>(row.begin(), row.end()), options, frame);
}

void bind_face(py::module_& module) {
  py::class_<Tokenizer, std::shared_ptr<Tokenizer>>(module, "Tokenizer")
      .def(
          "encode",
          [](const Tokenizer& self, const py::object& text) {
            const std::vector<int32_t> ids = self.encode(text_from_str(text, "text"));
            return array_from_vector(std::vector<int64_t>(ids.begin(), ids.end()));
          },
          py::arg("text"))
      .def("encode_batch", &encode_batch, py::arg("texts"), py::arg("max_length"), py::arg("padding"),
           py::arg("pad_id"), py::arg("progress"))
      .def(
          "decode",
          [](const Tokenizer& self, const py::array& ids, bool skip_special_tokens) {
            return self.decode(vector_from_array<int64_t>(ids, "ids").row_span(0), skip_special_tokens);
          },
          py::arg("ids"), py::arg("skip_special_tokens"))
      .def("id_of", &Tokenizer::id_of, py::arg("token"))
      .def("vocabulary", &vocabulary_of)
      .def_property_readonly("least_length", &Tokenizer::least_length)
      .def_property_readonly("vocab_size", &Tokenizer::vocab_size);
}

}  // namespace

void bind_text(py::module_& module) {
  bind_face(module);
  py::class_<TokenizerFrame>(module, "TokenizerFrame")
      .def(py::init(&make_frame), py::arg("added"), py::arg("normalizer"), py::arg("before"), py::arg("after"),
           py::arg("pad_to"), py::arg("pad_id"));
  py::class_<WordPieceTokenizer, Tokenizer, std::shared_ptr<WordPieceTokenizer>>(module, "WordPieceTokenizer")
      .def(py::init(&make_wordpiece), py::arg("tokens"), py::arg("lowercase"), py::arg("strip_accents"),
           py::arg("tokenize_chinese"), py::arg("max_chars_per_word"), py::arg("unknown"), py::arg("frame"));
  py::class_<BpeTokenizer, Tokenizer, std::shared_ptr<BpeTokenizer>>(module, "BpeTokenizer")
      .def(py::init(&make_bpe), py::arg("tokens"), py::arg("merges"), py::arg("pattern"), py::arg("add_prefix_space"),
           py::arg("end_of_word"), py::arg("whole_words"), py::arg("unknown"), py::arg("frame"));
  py::class_<UnigramTokenizer, Tokenizer, std::shared_ptr<UnigramTokenizer>>(module, "UnigramTokenizer")
      .def(py::init(&make_unigram), py::arg("tokens"), py::arg("scores"), py::arg("cut"), py::arg("prefix"),
           py::arg("unknown"), py::arg("byte_fallback"), py::arg("frame"));
  module.def(  // the type of the path takes names of any bytes, as Python's own functions do
      "read_vocabulary", [](const std::filesystem::path& path) { return Vocabulary::read_lines(path); },
      py::arg("path"));
}

}  // namespace pictrieve::bindings
