#include "pictrieve/text/unicode.h"

#include <gtest/gtest.h>

#include <vector>

namespace pictrieve {
namespace {

std::vector<char32_t> characters(std::string_view text) {
  std::vector<char32_t> found;
  for (size_t position = 0; position < text.size();) found.push_back(next_character(text, position));
  return found;
}

TEST(Unicode, ReadsBackEveryCharacterItWrites) {
  for (char32_t code = 0; code <= 0x10FFFF; ++code) {
    if (code >= 0xD800 && code <= 0xDFFF) continue;
    std::string text;
    append_utf8(code, text);
    ASSERT_EQ(characters(text), std::vector<char32_t>{code});
    ASSERT_TRUE(is_valid_utf8(text));
  }
}

TEST(Unicode, ReplacesEachMaximalPartOfAnIllFormedCharacter) {
  constexpr char32_t kBad = kReplacementCharacter;
  // The examples of Unicode 3.9, tables 3-8 to 3-11.
  EXPECT_EQ(characters("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"),
            (std::vector<char32_t>{kBad, kBad, kBad, kBad, kBad, kBad, kBad, kBad, 'A'}));
  EXPECT_EQ(characters("\xED\xA0\x80\x41"), (std::vector<char32_t>{kBad, kBad, kBad, 'A'}));
  EXPECT_EQ(characters("\xF4\x91\x92\x93\xFF\x41"), (std::vector<char32_t>{kBad, kBad, kBad, kBad, kBad, 'A'}));
  EXPECT_EQ(characters("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), (std::vector<char32_t>{kBad, kBad, kBad, kBad, 'A'}));
  EXPECT_FALSE(is_valid_utf8("a\xE1\x80"));
  EXPECT_TRUE(is_valid_utf8("\xEF\xBF\xBD"));  // U+FFFD itself is a character like others
}

TEST(Unicode, KnowsProperties) {
  EXPECT_EQ(character_flags('a'), 0);
  EXPECT_EQ(character_flags('A'), kHasLowerCase);
  EXPECT_EQ(character_flags('$'), kIsPunctuation);
  EXPECT_EQ(character_flags('\t'), kIsSpace);
  EXPECT_EQ(character_flags(0x3000), kIsSpace);
  EXPECT_EQ(character_flags(0x4E00), kIsChinese);
  EXPECT_EQ(character_flags(0x200D), kIsDropped);
  EXPECT_EQ(character_flags(0x0301), kIsStripped | kIsCombining);
  EXPECT_EQ(combining_class(0x0301), 230);
  EXPECT_EQ(combining_class(0x1D165), 216);
  EXPECT_EQ(combining_class('a'), 0);
}

TEST(Unicode, MapsCharacters) {
  const Characters dotted = lower_case(0x130);
  EXPECT_EQ(std::vector<char32_t>(dotted.codes, dotted.codes + dotted.count), (std::vector<char32_t>{'i', 0x307}));
  EXPECT_EQ(lower_case('1').codes[0], U'1');
  EXPECT_EQ(decompose_and_strip(0xC9).codes[0], U'E');
  const Characters syllable = decompose_and_strip(0xD55C);
  EXPECT_EQ(std::vector<char32_t>(syllable.codes, syllable.codes + syllable.count),
            (std::vector<char32_t>{0x1112, 0x1161, 0x11AB}));
  EXPECT_EQ(decompose_and_strip(0xAC00).count, 2);
}

}  // namespace
}  // namespace pictrieve
