// BERT's tokenizer: text -> ids, equal to those of the reference for every Unicode string.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pictrieve/text/tokenizer.h"
#include "pictrieve/text/word_splitter.h"

namespace pictrieve {

struct WordPieceOptions {
  bool lowercase = true;
  std::optional<bool> strip_accents;  ///< remove combining marks; unset: as `lowercase`
  bool tokenize_chinese = true;       ///< each Chinese character is a word
  int max_chars_per_word = 100;       ///< a longer word is unknown
  std::string unknown = "[UNK]";
};

/// Splits words greedily into the longest pieces of a vocabulary (Devlin et al. 2019, arXiv:1810.04805). The tokenizer
/// drops U+FFFD. decode() joins pieces to words, words by spaces, and writes punctuation as English does.
class WordPieceTokenizer final : public Tokenizer {
 public:
  /// The id of a token is its place in the list. Without a frame it is BERT's: texts stand between [CLS] and [SEP], and
  /// its special tokens are kept whole where a text has them. Added tokens are looked for in the raw text.
  explicit WordPieceTokenizer(std::vector<std::string> tokens, const WordPieceOptions& options = {},
                              std::optional<TokenizerFrame> frame = std::nullopt);

 private:
  void append_words(std::string_view text, bool at_start, TokenizerScratch& scratch,
                    std::vector<int32_t>& ids) const override;
  std::string join(std::span<const int64_t> ids) const override;
  void append_word(std::string_view word, std::vector<int32_t>& ids) const;

  WordSplitter splitter_;
  size_t max_chars_per_word_;
  int32_t unknown_;
};

}  // namespace pictrieve
