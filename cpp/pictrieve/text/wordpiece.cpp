#include "pictrieve/text/wordpiece.h"

#include <algorithm>
#include <utility>

#include "pictrieve/base/error.h"
#include "pictrieve/text/tokenizer_scratch.h"

namespace pictrieve {
namespace {

constexpr std::string_view kSpecialTokens[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};

int32_t required_id(const std::vector<std::string>& tokens, std::string_view token) {
  const auto found = std::ranges::find(tokens, token);
  require<FormatError>(found != tokens.end() || tokens.empty(), "vocabulary: expected a token ", token,
                       ", found none among ", tokens.size(), "; is this the vocab.txt of a BERT model?");
  return static_cast<int32_t>(found - tokens.begin());
}

TokenizerFrame bert_frame(const std::vector<std::string>& tokens) {
  TokenizerFrame frame;
  frame.before = {required_id(tokens, "[CLS]")};
  frame.after = {required_id(tokens, "[SEP]")};
  for (const std::string_view text : kSpecialTokens)
    if (const auto found = std::ranges::find(tokens, text); found != tokens.end())
      frame.added.push_back({std::string(text), static_cast<int32_t>(found - tokens.begin())});
  return frame;
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

}  // namespace

WordPieceTokenizer::WordPieceTokenizer(std::vector<std::string> tokens, const WordPieceOptions& options,
                                       std::optional<TokenizerFrame> frame)
    : Tokenizer(tokens, frame ? *std::move(frame) : bert_frame(tokens)),
      splitter_(splitter_options(options)),
      max_chars_per_word_(static_cast<size_t>(options.max_chars_per_word)),
      unknown_(required_id(tokens, options.unknown)) {
  require(options.max_chars_per_word > 0, "max_chars_per_word: expected at least 1, got ", options.max_chars_per_word);
  for (const AddedToken& token : added_tokens())
    require<FormatError>(!token.normalized, "added tokens: expected normalized=false with WordPiece, got '", token.text,
                         "' with true");
}

std::string WordPieceTokenizer::join(std::span<const int64_t> ids) const {
  std::string text;
  bool first = true;
  for (const int64_t id : ids) {
    std::string part = token(id);
    if (!first) part = part.starts_with("##") ? part.substr(2) : " " + part;
    join_punctuation(part);
    text += part;
    first = false;
  }
  return text;
}

void WordPieceTokenizer::append_words(std::string_view text, bool /*at_start*/, TokenizerScratch& scratch,
                                      std::vector<int32_t>& ids) const {
  SplitText& words = scratch.split;
  splitter_.split(text, words);
  for (const SplitText::Word& word : words.words) {
    if (word.characters > max_chars_per_word_) {
      ids.push_back(unknown_);
    } else {
      append_word(words.text_of(word), ids);
    }
  }
}

void WordPieceTokenizer::append_word(std::string_view word, std::vector<int32_t>& ids) const {
  const size_t first = ids.size();
  for (size_t begin = 0; begin < word.size();) {
    const Vocabulary::Piece piece = vocabulary().longest(word.substr(begin), begin > 0);
    if (piece.id < 0) {  // one part without a piece makes the whole word unknown
      ids.resize(first);
      ids.push_back(unknown_);
      return;
    }
    ids.push_back(piece.id);
    begin += piece.size;
  }
}

}  // namespace pictrieve
