#include "pictrieve/text/wordpiece.h"

#include <algorithm>
#include <utility>

#include "pictrieve/base/error.h"

namespace pictrieve {
namespace {

constexpr std::string_view kSpecialTokens[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
constexpr int64_t kTextsPerPiece = 256;  // some 0.3 ms of work

int32_t required_id(const Vocabulary& vocabulary, std::string_view token) {
  const int32_t id = vocabulary.find(token);
  require<FormatError>(id >= 0, "vocabulary: expected a token ", token, ", found none among ", vocabulary.size(),
                       "; is this the vocab.txt of a BERT model?");
  return id;
}

WordSplitter::Options splitter_options(const WordPieceOptions& options) {
  return {options.lowercase, options.strip_accents.value_or(options.lowercase), options.tokenize_chinese};
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

/// English spacing, token by token as in the reference's decoder.
void join_punctuation(std::string& token) {
  constexpr std::pair<std::string_view, std::string_view> kReplacements[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [from, to] : kReplacements) replace_all(token, from, to);
}

/// Joins the outputs of the pieces in their order and turns counts into offsets.
PackedTokens pack(const std::vector<std::vector<int32_t>>& pieces, std::vector<int64_t> counts) {
  PackedTokens packed;
  packed.offsets.resize(counts.size() + 1, 0);
  for (size_t i = 0; i < counts.size(); ++i) packed.offsets[i + 1] = packed.offsets[i] + counts[i];
  packed.ids.reserve(static_cast<size_t>(packed.offsets.back()));
  for (const auto& piece : pieces) packed.ids.insert(packed.ids.end(), piece.begin(), piece.end());
  return packed;
}

}  // namespace

WordPieceTokenizer::WordPieceTokenizer(std::vector<std::string> tokens, const WordPieceOptions& options)
    : vocabulary_(std::move(tokens)), options_(options), splitter_(splitter_options(options)) {
  require(options.max_chars_per_word > 0, "max_chars_per_word: expected at least 1, got ", options.max_chars_per_word);
  unknown_ = required_id(vocabulary_, "[UNK]");
  start_ = required_id(vocabulary_, "[CLS]");
  end_ = required_id(vocabulary_, "[SEP]");
  for (const std::string_view text : kSpecialTokens)
    if (const int32_t id = vocabulary_.find(text); id >= 0) special_.push_back({text, id});
}

std::vector<int32_t> WordPieceTokenizer::encode(std::string_view text) const {
  SplitText words;
  std::vector<int32_t> ids;
  append_text(text, words, ids);
  return ids;
}

PackedTokens WordPieceTokenizer::encode_batch(std::span<const std::string_view> texts, int64_t max_length,
                                              const Monitor& monitor) const {
  require(max_length == 0 || max_length >= 2, "max_length: expected at least 2 ([CLS] and [SEP]), got ", max_length);
  const auto count = static_cast<int64_t>(texts.size());
  const auto limit = max_length == 0 ? SIZE_MAX : static_cast<size_t>(max_length);
  std::vector<std::vector<int32_t>> pieces(static_cast<size_t>((count + kTextsPerPiece - 1) / kTextsPerPiece));
  std::vector<int64_t> counts(texts.size());
  std::atomic<int64_t> truncated{0}, lost{0};
  const auto body = [&](int64_t begin, int64_t end, Worker worker) {
    auto& ids = pieces[static_cast<size_t>(begin / kTextsPerPiece)];
    SplitText words;
    for (int64_t i = begin; i < end && !worker.should_stop(); ++i) {
      const size_t first = ids.size();
      append_text(texts[static_cast<size_t>(i)], words, ids);
      if (const size_t length = ids.size() - first; length > limit) {
        truncated.fetch_add(1, std::memory_order_relaxed);
        lost.fetch_add(static_cast<int64_t>(length - limit), std::memory_order_relaxed);
        ids.resize(first + limit);
        ids.back() = end_;
      }
      counts[static_cast<size_t>(i)] = static_cast<int64_t>(ids.size() - first);
    }
  };
  parallel_for(count, kTextsPerPiece, body, monitor);
  PackedTokens packed = pack(pieces, std::move(counts));
  packed.truncated_texts = truncated;
  packed.lost_tokens = lost;
  return packed;
}

std::string WordPieceTokenizer::decode(std::span<const int64_t> ids, bool skip_special_tokens) const {
  std::string text;
  bool first = true;
  for (const int64_t id : ids) {
    require(id >= 0 && id < vocab_size(), "ids: expected 0..", vocab_size() - 1, ", got ", id);
    if (skip_special_tokens && is_special(id)) continue;
    std::string part = token(id);
    if (!first) part = part.starts_with("##") ? part.substr(2) : " " + part;
    join_punctuation(part);
    text += part;
    first = false;
  }
  return text;
}

void WordPieceTokenizer::append_text(std::string_view text, SplitText& words, std::vector<int32_t>& ids) const {
  ids.push_back(start_);
  size_t begin = 0;
  for (size_t at = text.find('['); at != std::string_view::npos; at = text.find('[', at)) {
    const SpecialToken* found = special_at(text.substr(at));
    if (found == nullptr) {
      ++at;
      continue;
    }
    append_plain(text.substr(begin, at - begin), words, ids);
    ids.push_back(found->id);
    begin = at += found->text.size();
  }
  append_plain(text.substr(begin), words, ids);
  ids.push_back(end_);
}

void WordPieceTokenizer::append_plain(std::string_view text, SplitText& words, std::vector<int32_t>& ids) const {
  splitter_.split(text, words);
  for (const SplitText::Word& word : words.words) {
    if (word.characters > static_cast<size_t>(options_.max_chars_per_word)) {
      ids.push_back(unknown_);
    } else {
      append_word(words.text_of(word), ids);
    }
  }
}

void WordPieceTokenizer::append_word(std::string_view word, std::vector<int32_t>& ids) const {
  const size_t first = ids.size();
  for (size_t begin = 0; begin < word.size();) {
    const Vocabulary::Piece piece = vocabulary_.longest(word.substr(begin), begin > 0);
    if (piece.id < 0) {  // one part without a piece makes the whole word unknown
      ids.resize(first);
      ids.push_back(unknown_);
      return;
    }
    ids.push_back(piece.id);
    begin += piece.size;
  }
}

const WordPieceTokenizer::SpecialToken* WordPieceTokenizer::special_at(std::string_view text) const {
  const auto found = std::ranges::find_if(special_, [&](const auto& token) { return text.starts_with(token.text); });
  return found == special_.end() ? nullptr : &*found;
}

bool WordPieceTokenizer::is_special(int64_t id) const {
  return std::ranges::any_of(special_, [&](const auto& token) { return token.id == id; });
}

}  // namespace pictrieve
