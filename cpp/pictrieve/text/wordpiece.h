// BERT's tokenizer: text -> ids, equal to those of the reference for every Unicode string.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pictrieve/base/parallel.h"
#include "pictrieve/text/vocabulary.h"
#include "pictrieve/text/word_splitter.h"

namespace pictrieve {

/// Ids of many texts, one after another: text i owns ids[offsets[i] .. offsets[i + 1]).
struct PackedTokens {
  std::vector<int32_t> ids;
  std::vector<int64_t> offsets;  ///< one more than there are texts; offsets[0] is 0
  int64_t truncated_texts = 0;   ///< texts that were longer than the limit
  int64_t lost_tokens = 0;       ///< tokens cut from them
};

struct WordPieceOptions {
  bool lowercase = true;
  std::optional<bool> strip_accents;  ///< remove combining marks; unset: as `lowercase`
  bool tokenize_chinese = true;       ///< each Chinese character is a word
  int max_chars_per_word = 100;       ///< a longer word is unknown
};

/// Splits words greedily into the longest pieces of a vocabulary (Devlin et al. 2019, arXiv:1810.04805). Immutable, so
/// threads may share one. Ill-formed UTF-8 reads as U+FFFD, which the tokenizer drops.
class WordPieceTokenizer {
 public:
  /// The id of a token is its place in the list, which must hold [UNK], [CLS] and [SEP].
  explicit WordPieceTokenizer(std::vector<std::string> tokens, const WordPieceOptions& options = {});

  /// [CLS] pieces [SEP]. Special tokens that stand in the text in full, such as "[MASK]", are kept whole.
  std::vector<int32_t> encode(std::string_view text) const;

  /// Encodes texts on all threads; each is cut to `max_length` ids (at least 2: [CLS] and [SEP] stay; 0: no limit).
  PackedTokens encode_batch(std::span<const std::string_view> texts, int64_t max_length = 0,
                            const Monitor& monitor = {}) const;

  /// Words joined by spaces, pieces joined to their words, punctuation as English writes it. Ids must be in range.
  std::string decode(std::span<const int64_t> ids, bool skip_special_tokens = true) const;

  int64_t vocab_size() const { return vocabulary_.size(); }
  const std::string& token(int64_t id) const { return vocabulary_.token(id); }
  /// The id of a token, -1 where the vocabulary lacks it.
  int32_t id_of(std::string_view token) const { return vocabulary_.find(token); }

 private:
  struct SpecialToken {
    std::string_view text;
    int32_t id;
  };
  void append_text(std::string_view text, SplitText& words, std::vector<int32_t>& ids) const;
  void append_plain(std::string_view text, SplitText& words, std::vector<int32_t>& ids) const;
  void append_word(std::string_view word, std::vector<int32_t>& ids) const;
  const SpecialToken* special_at(std::string_view text) const;
  bool is_special(int64_t id) const;

  Vocabulary vocabulary_;
  WordPieceOptions options_;
  WordSplitter splitter_;
  std::vector<SpecialToken> special_;  ///< those of BERT's that the vocabulary has
  int32_t unknown_ = 0;
  int32_t start_ = 0;
  int32_t end_ = 0;
};

}  // namespace pictrieve
