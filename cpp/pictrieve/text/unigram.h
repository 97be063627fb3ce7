// SentencePiece's unigram model: XLM-R, T5, SigLIP.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pictrieve/text/flat_map.h"
#include "pictrieve/text/tokenizer.h"

namespace pictrieve {

/// How a text becomes words of the vocabulary, in which spaces are written as U+2581.
struct UnigramOptions {
  enum class Cut {
    White,   ///< at white space of any kind, which is dropped
    Blanks,  ///< at spaces only, which are dropped
    Marks,   ///< nothing is dropped; each space begins a word
    None,    ///< the whole stretch is one word
  };
  enum class Prefix { Always, First, Never };
  Cut cut = Cut::White;
  Prefix prefix = Prefix::Always;  ///< whether words, or the first one, get a space in front where they have none
  int32_t unknown = 0;             ///< for characters that the vocabulary lacks; neighbours share one
  bool byte_fallback = false;      ///< these characters are written as tokens <0x00>..<0xFF> instead
};

/// Words are cut into the tokens whose log probabilities have the largest sum (Kudo 2018, arXiv:1804.10959), found by
/// dynamic programming. An unknown character costs 10 more than the least probable token.
class UnigramTokenizer final : public Tokenizer {
 public:
  /// `scores` belong to the first tokens; tokens without a score are found as added tokens only.
  UnigramTokenizer(std::vector<std::string> tokens, std::vector<double> scores, const UnigramOptions& options,
                   TokenizerFrame frame);

 private:
  void append_words(std::string_view text, bool at_start, TokenizerScratch& scratch,
                    std::vector<int32_t>& ids) const override;
  std::string join(std::span<const int64_t> ids) const override;

  void append_part(std::string_view text, bool at_start, TokenizerScratch& scratch, std::vector<int32_t>& ids) const;
  void append_word(std::string_view word, TokenizerScratch& scratch, std::vector<int32_t>& ids) const;
  void find_best(std::string_view word, TokenizerScratch& scratch) const;
  void append_unknown(std::string_view text, std::vector<int32_t>& ids) const;

  UnigramOptions options_;
  std::vector<double> scores_;
  FlatMap children_;            ///< of the trie: the next node by node and byte
  std::vector<int32_t> ends_;   ///< by node: the token that ends there, -1: none
  std::vector<int32_t> bytes_;  ///< tokens <0x00>..<0xFF>, empty where the vocabulary lacks one
  double unknown_score_ = 0;
};

}  // namespace pictrieve
