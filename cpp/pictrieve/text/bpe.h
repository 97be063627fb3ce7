// Byte-level byte pair encoding: GPT-2, RoBERTa, BART, ModernBERT, CLIP, Llama 3.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pictrieve/text/flat_map.h"
#include "pictrieve/text/tokenizer.h"
#include "pictrieve/text/word_pattern.h"

namespace pictrieve {

struct BpeOptions {
  WordPattern pattern = WordPattern::Gpt2;
  bool add_prefix_space = false;  ///< a stretch that begins with another character gets a space in front
  std::string end_of_word;        ///< what the last byte of a word is written with in the vocabulary: "</w>" for CLIP
  bool whole_words = false;       ///< a word that is a token itself is not built from pairs
  int32_t unknown = -1;           ///< for bytes that the vocabulary lacks; -1: these are left out
};

/// Bytes of a word become tokens, then neighbours merge, the pair that stands first in the list of merges first
/// (Sennrich et al. 2016, arXiv:1508.07909). In the vocabulary each byte is written as a printable character, a space
/// as U+0120 (Radford et al. 2019).
class BpeTokenizer final : public Tokenizer {
 public:
  /// Each of `merges` names two tokens with a space between; both and their joined text must be in the vocabulary.
  BpeTokenizer(std::vector<std::string> tokens, const std::vector<std::string>& merges, BpeOptions options,
               TokenizerFrame frame);

 private:
  void append_words(std::string_view text, bool at_start, TokenizerScratch& scratch,
                    std::vector<int32_t>& ids) const override;
  std::string join(std::span<const int64_t> ids) const override;

  void add_merge(const std::string& merge, int32_t rank);
  void append_word(std::string_view word, TokenizerScratch& scratch, std::vector<int32_t>& ids) const;
  void merge_word(std::string_view word, TokenizerScratch& scratch, std::vector<int32_t>& ids) const;
  void append_symbols(std::string_view word, TokenizerScratch& scratch) const;
  void push_merge(int32_t position, TokenizerScratch& scratch) const;
  std::string bytes_of(const std::string& token) const;

  BpeOptions options_;
  FlatMap merges_;                           ///< rank and product by the ids of a pair
  std::array<std::string, 256> characters_;  ///< how each byte is written
  std::array<int16_t, 0x200> bytes_;         ///< the byte that each of these characters stands for, -1: none
  std::array<int32_t, 256> inner_, last_;    ///< tokens of single bytes inside a word and at its end, -1: none
};

}  // namespace pictrieve
