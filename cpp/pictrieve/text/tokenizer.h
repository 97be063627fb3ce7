// Text -> ids of tokens: what all tokenizers share.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "pictrieve/base/parallel.h"
#include "pictrieve/base/pool.h"
#include "pictrieve/text/added_tokens.h"
#include "pictrieve/text/normalizer.h"
#include "pictrieve/text/vocabulary.h"

namespace pictrieve {

/// Ids of many texts, one after another: text i owns ids[offsets[i] .. offsets[i + 1]).
struct PackedTokens {
  std::vector<int32_t> ids;
  std::vector<int64_t> offsets;  ///< one more than there are texts; offsets[0] is 0
  int64_t truncated_texts = 0;   ///< texts that were longer than the limit
  int64_t lost_tokens = 0;       ///< tokens cut from them
};

/// What stands around the model: tokens found in the raw text, the normaliser, and the special tokens of each text.
struct TokenizerFrame {
  std::vector<AddedToken> added;
  Normalizer normalizer;
  std::vector<int32_t> before;  ///< special tokens in front of each text
  std::vector<int32_t> after;   ///< and behind it
  int64_t pad_to = 0;           ///< shorter texts are filled to this length with tokens that count; 0: never
  int32_t pad_id = 0;
};

struct TokenizerScratch;

/// Immutable once made, so threads may share one. Ids equal those of the reference for every Unicode string; ill-formed
/// UTF-8 reads as U+FFFD.
class Tokenizer {
 public:
  virtual ~Tokenizer();
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  /// The tokens of a text between the special ones. Added tokens that stand in the text in full are kept whole.
  std::vector<int32_t> encode(std::string_view text) const;

  /// Encodes texts on all threads; each is cut to `max_length` ids (0: no limit), of which the special tokens stay.
  PackedTokens encode_batch(std::span<const std::string_view> texts, int64_t max_length = 0,
                            const Monitor& monitor = {}) const;

  /// The text of these ids, as the reference joins it. Ids must be in range.
  std::string decode(std::span<const int64_t> ids, bool skip_special_tokens = true) const;

  int64_t vocab_size() const { return vocabulary_.size(); }
  const std::string& token(int64_t id) const { return vocabulary_.token(id); }
  /// The id of a token, -1 where the vocabulary lacks it.
  int32_t id_of(std::string_view token) const { return vocabulary_.find(token); }
  /// The shortest limit that encode_batch takes.
  int64_t least_length() const;

 protected:
  /// The id of a token is its place in the list; those of added tokens are among them.
  Tokenizer(std::vector<std::string> tokens, TokenizerFrame frame);

  const Vocabulary& vocabulary() const { return vocabulary_; }
  const std::vector<AddedToken>& added_tokens() const { return frame_.added; }
  /// The token as it stands in decoded texts: an added one is normalised where texts are before it is looked for.
  const std::string& written(int64_t id) const;

  /// Appends the ids of a normalised stretch of text that has no added tokens; `at_start`: it begins the text.
  virtual void append_words(std::string_view text, bool at_start, TokenizerScratch& scratch,
                            std::vector<int32_t>& ids) const = 0;
  virtual std::string join(std::span<const int64_t> ids) const = 0;

 private:
  void append_text(std::string_view text, TokenizerScratch& scratch, std::vector<int32_t>& ids) const;
  void append_stretch(std::string_view text, bool at_start, TokenizerScratch& scratch, std::vector<int32_t>& ids) const;
  void finish(int64_t limit, size_t first, int64_t& lost, std::vector<int32_t>& ids) const;

  Vocabulary vocabulary_;
  TokenizerFrame frame_;
  AddedTokenFinder raw_, normalized_;
  std::vector<bool> special_;                         ///< by id
  std::unordered_map<int64_t, std::string> written_;  ///< those that differ from the vocabulary
  mutable Pool<TokenizerScratch> scratch_;
};

}  // namespace pictrieve
