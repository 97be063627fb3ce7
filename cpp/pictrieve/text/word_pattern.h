// The regular expressions that cut a text into the words of byte pairs, by hand.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace pictrieve {

enum class WordPattern {
  /// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+   (Radford et al. 2019)
  Gpt2,
  /// 's|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+   (Radford et al. 2021, arXiv:2103.00020)
  Clip,
  /// The same behind <\|startoftext\|>|<\|endoftext\|>
  ClipMarked,
  /// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|
  /// \s+(?!\S)|\s+   (Grattafiori et al. 2024, arXiv:2407.21783)
  Llama3,
  /// The same with one \p{N} at a time
  Qwen2,
};

/// "gpt2", "clip", "clip_marked", "llama3" or "qwen2"; std::invalid_argument lists them.
WordPattern word_pattern_named(const std::string& name);

/// The end of the word that begins at `begin`. What Clip's expressions do not match is a word of white space.
size_t word_end(WordPattern pattern, std::string_view text, size_t begin);

}  // namespace pictrieve
