#include "pictrieve/text/word_splitter.h"

#include <gtest/gtest.h>

namespace pictrieve {
namespace {

using Words = std::vector<std::string>;

Words split(std::string_view text, const WordSplitter::Options& options = {}) {
  SplitText found;
  WordSplitter(options).split(text, found);
  Words words;
  for (const auto& word : found.words) words.emplace_back(found.text_of(word));
  return words;
}

TEST(WordSplitter, CutsAtSpacePunctuationAndChinese) {
  EXPECT_EQ(split("  Hello,\tWorld!\n"), (Words{"hello", ",", "world", "!"}));
  EXPECT_EQ(split("ab中国c"), (Words{"ab", "中", "国", "c"}));
  EXPECT_EQ(split("ab中国c", {true, true, false}), (Words{"ab中国c"}));
  EXPECT_EQ(split(""), Words{});
  EXPECT_EQ(split(" \x01\xEF\xBF\xBD"), Words{});
}

TEST(WordSplitter, FoldsCaseAndAccentsAsAsked) {
  EXPECT_EQ(split("CAFÉ"), (Words{"cafe"}));
  EXPECT_EQ(split("CAFÉ", {true, false, true}), (Words{"café"}));
  EXPECT_EQ(split("CAFÉ", {false, true, true}), (Words{"CAFE"}));
  EXPECT_EQ(split("CAFÉ", {false, false, true}), (Words{"CAFÉ"}));
  EXPECT_EQ(split("İ", {true, false, true}), (Words{"i̇"}));
}

TEST(WordSplitter, DropsDamagedBytes) { EXPECT_EQ(split("a\xFFz b\xE4"), (Words{"az", "b"})); }

TEST(WordSplitter, PutsSurvivingMarksInCanonicalOrder) {
  // U+302E has class 224, U+1D165 has 216. U+034F is stripped, has class 0 and keeps its neighbours apart.
  const std::string tone = "\u302E", stem = "\U0001D165";
  EXPECT_EQ(split("a" + tone + stem), (Words{"a" + stem + tone}));
  EXPECT_EQ(split("a" + tone + "\u0300" + stem), (Words{"a" + stem + tone}));
  EXPECT_EQ(split("a" + tone + "\u0340" + stem), (Words{"a" + stem + tone}));
  EXPECT_EQ(split("a" + tone + "\u034F" + stem), (Words{"a" + tone + stem}));
  EXPECT_EQ(split("a" + tone + "b" + stem), (Words{"a" + tone + "b" + stem}));
  EXPECT_EQ(split("a" + tone + " " + stem), (Words{"a" + tone, stem}));
}

TEST(WordSplitter, CountsCharactersNotBytes) {
  SplitText found;
  WordSplitter({}).split("привет", found);
  ASSERT_EQ(found.words.size(), 1u);
  EXPECT_EQ(found.words[0].characters, 6u);
  EXPECT_EQ(found.words[0].size, 12u);
}

}  // namespace
}  // namespace pictrieve
