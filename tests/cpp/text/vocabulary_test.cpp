#include "pictrieve/text/vocabulary.h"

#include <gtest/gtest.h>

#include "pictrieve/base/error.h"

namespace pictrieve {
namespace {

TEST(Vocabulary, FindsTheLongestPiece) {
  const Vocabulary vocabulary({"a", "ab", "abcd", "##ab", "##", "é"});
  EXPECT_EQ(vocabulary.longest("abc", false).id, 1);
  EXPECT_EQ(vocabulary.longest("abcd", false).size, 4u);
  EXPECT_EQ(vocabulary.longest("abcd", true).id, 3);
  EXPECT_EQ(vocabulary.longest("x", false).id, -1);
  EXPECT_EQ(vocabulary.longest("éa", false).size, 2u);
  EXPECT_EQ(vocabulary.longest("", true).id, -1);
}

TEST(Vocabulary, FindsEveryTokenAmongMany) {
  std::vector<std::string> tokens;
  for (int i = 0; i < 50'000; ++i) tokens.push_back((i % 2 ? "##t" : "t") + std::to_string(i / 2));
  const Vocabulary vocabulary(tokens);
  for (int i = 0; i < 50'000; ++i) ASSERT_EQ(vocabulary.find(tokens[static_cast<size_t>(i)]), i);
  EXPECT_EQ(vocabulary.find("t25000"), -1);
}

TEST(Vocabulary, RefusesWhatIsNotAVocabulary) {
  EXPECT_THROW(Vocabulary({}), FormatError);
  EXPECT_THROW(Vocabulary({"a", ""}), FormatError);
  EXPECT_THROW(Vocabulary({"a", "b", "a"}), FormatError);
  EXPECT_THROW(Vocabulary({"##a", "b", "##a"}), FormatError);
  EXPECT_THROW(Vocabulary({"a\xFF"}), FormatError);
  EXPECT_THROW(Vocabulary::read_lines("/nonexistent/vocab.txt"), FileError);
}

}  // namespace
}  // namespace pictrieve
