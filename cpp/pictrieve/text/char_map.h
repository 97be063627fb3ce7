// SentencePiece's table of characters and what they become, compiled into the model.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pictrieve {

/// Reads the table: a double-array trie (Aoe 1989) of source texts, and their replacements ended by 0 bytes. Hostile
/// tables are refused or read without leaving their bounds.
class CharMap {
 public:
  /// How a text is cut before it is looked up. The reference library of the model files takes the longest entry at
  /// each place (SentencePiece); Hugging Face's takes short grapheme clusters whole, by the first entry they begin
  /// with, and other characters one by one.
  enum class Cut { Longest, Graphemes };

  /// `table`: four bytes of the trie's size (little endian), the trie, the replacements.
  CharMap(std::string_view table, Cut cut);

  void append_mapped(std::string_view text, std::string& out) const;

 private:
  struct Found {
    size_t size = 0;  ///< bytes of the text that the entry covers; 0: no entry
    uint32_t value = 0;
  };
  Found look_up(std::string_view text, bool longest) const;
  std::string_view replacement(uint32_t value) const;
  bool append_if_mapped(std::string_view text, std::string& out) const;

  std::vector<uint32_t> trie_;
  std::string replacements_;
  Cut cut_;
};

}  // namespace pictrieve
