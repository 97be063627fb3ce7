// UTF-8 and the properties of characters, as the reference tokenizer sees them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pictrieve {

constexpr char32_t kReplacementCharacter = 0xFFFD;

/// Reads the character at `position` and moves behind it. Ill-formed bytes read as U+FFFD, one for each maximal part of
/// a character (Unicode 3.9, table 3-8).
char32_t next_character(std::string_view text, size_t& position);

bool is_valid_utf8(std::string_view text);

void append_utf8(char32_t character, std::string& text);

/// Bits of character_flags().
enum CharacterFlag : uint8_t {
  kIsDropped = 1,   ///< control, format, private use
  kIsSpace = 2,     ///< white space of any kind
  kIsChinese = 4,   ///< an ideograph, a word of its own
  kIsStripped = 8,  ///< a nonspacing mark, or a character made of such only
  kIsPunctuation = 16,
  kIsComposed = 32,  ///< has a canonical decomposition
  kHasLowerCase = 64,
  kIsCombining = 128,  ///< its canonical combining class is not 0
};
uint8_t character_flags(char32_t character);

/// The canonical combining class, 0..254.
int combining_class(char32_t character);

/// Classes of the regular expressions that cut text into words: \p{L}, \p{N}, \s and the rest.
enum class WordClass : uint8_t { Other, Letter, Number, White };
WordClass word_class(char32_t character);

/// A few characters that replace one.
struct Characters {
  char32_t codes[4] = {0, 0, 0, 0};
  int count = 0;
};

/// Full canonical decomposition; the character itself where it has none.
Characters decompose(char32_t character);

/// The same without nonspacing marks.
Characters decompose_and_strip(char32_t character);

/// The character that two make canonically, 0 where there is none.
char32_t compose(char32_t first, char32_t second);

/// Full lower case without context ("İ" becomes two characters).
Characters lower_case(char32_t character);

}  // namespace pictrieve
