#include "pictrieve/text/bpe.h"

#include <gtest/gtest.h>

#include <random>

#include "pictrieve/base/error.h"

namespace pictrieve {
namespace {

using Ids = std::vector<int32_t>;
using Words = std::vector<std::string>;

const Words kTokens = {"a", "b", "c", "Ġ", "ab", "bc", "abc", "Ġa", "<s>", "</s>"};
const Words kMerges = {"b c", "a b", "a bc", "Ġ a"};

TokenizerFrame frame() {
  TokenizerFrame made;
  made.added = {{"<s>", 8}, {"</s>", 9, true, true, true}};
  made.before = {8};
  made.after = {9};
  return made;
}

Words words(WordPattern pattern, std::string_view text) {
  Words found;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = word_end(pattern, text, begin);
    found.emplace_back(text.substr(begin, end - begin));
    begin = end;
  }
  return found;
}

TEST(WordPattern, CutsAsTheExpressionsDo) {
  EXPECT_EQ(words(WordPattern::Gpt2, "I'm  ok 12x!?\n\n y "),
            (Words{"I", "'m", " ", " ok", " 12", "x", "!?", "\n\n", " y", " "}));
  EXPECT_EQ(words(WordPattern::Clip, "it's 12 !?"), (Words{"it", "'s", " ", "1", "2", " ", "!?"}));
  EXPECT_EQ(words(WordPattern::ClipMarked, "<|endoftext|>!"), (Words{"<|endoftext|>", "!"}));
  EXPECT_EQ(words(WordPattern::Llama3, "I'LL 12345$a\r\n x"),
            (Words{"I", "'LL", " ", "123", "45", "$a", "\r\n", " x"}));
  EXPECT_EQ(words(WordPattern::Qwen2, "12"), (Words{"1", "2"}));
  EXPECT_THROW(word_pattern_named("gpt5"), std::invalid_argument);
}

TEST(Bpe, MergesByRankThenFromTheLeft) {
  const BpeTokenizer tokenizer(kTokens, kMerges, {}, {});
  EXPECT_EQ(tokenizer.encode("abc"), (Ids{6}));  // "b c" comes before "a b"
  EXPECT_EQ(tokenizer.encode("abab a"), (Ids{4, 4, 7}));
  EXPECT_EQ(tokenizer.encode("xa"), (Ids{0}));  // the vocabulary has no x
  EXPECT_EQ(tokenizer.encode(""), Ids{});
}

TEST(Bpe, HonoursItsOptions) {
  BpeOptions options;
  options.add_prefix_space = true;
  EXPECT_EQ(BpeTokenizer(kTokens, kMerges, options, {}).encode("ab"), (Ids{3, 4}));
  options = {};
  options.unknown = 8;
  EXPECT_EQ(BpeTokenizer(kTokens, kMerges, options, {}).encode("xa"), (Ids{8, 0}));
  options = {};
  options.whole_words = true;
  EXPECT_EQ(BpeTokenizer({"a", "b", "ab"}, {}, options, {}).encode("ab"), (Ids{2}));
  options = {};
  options.end_of_word = "</w>";
  const BpeTokenizer ends({"a", "b", "b</w>", "ab</w>"}, {"a b</w>"}, options, {});
  EXPECT_EQ(ends.encode("ab"), (Ids{3}));
  EXPECT_EQ(ends.decode(std::vector<int64_t>{3, 3}), "ab ab ");
}

TEST(Bpe, KeepsSpecialTokensAndCutsBetweenThem) {
  const BpeTokenizer tokenizer(kTokens, kMerges, {}, frame());
  EXPECT_EQ(tokenizer.encode("a </s> b"), (Ids{8, 0, 9, 1, 9}));
  const std::vector<std::string_view> texts{"abab", "a"};
  const PackedTokens packed = tokenizer.encode_batch(texts, 3);
  EXPECT_EQ(packed.ids, (Ids{8, 4, 9, 8, 0, 9}));
  EXPECT_EQ(packed.truncated_texts, 1);
  EXPECT_EQ(packed.lost_tokens, 1);
  EXPECT_THROW(tokenizer.encode_batch(texts, 1), std::invalid_argument);
}

TEST(Bpe, PadsWithTokensThatCount) {
  TokenizerFrame padded = frame();
  padded.pad_to = 5;
  padded.pad_id = 3;
  const BpeTokenizer tokenizer(kTokens, kMerges, {}, padded);
  EXPECT_EQ(tokenizer.encode("a"), (Ids{8, 0, 9, 3, 3}));
  const std::vector<std::string_view> texts{"a"};
  EXPECT_EQ(tokenizer.encode_batch(texts, 4).ids, (Ids{8, 0, 9, 3}));
}

TEST(Bpe, MergesLongWordsInGoodTime) {
  const BpeTokenizer tokenizer({"a", "aa", "aaaa"}, {"a a", "aa aa"}, {}, {});
  EXPECT_EQ(tokenizer.encode(std::string(1'000'000, 'a')).size(), 250'000u);
}

TEST(Bpe, DecodesBytes) {
  const BpeTokenizer tokenizer({"Ã", "©", "Ġ", "中"}, {}, {}, {});
  EXPECT_EQ(tokenizer.decode(std::vector<int64_t>{0, 1, 2, 3}), "é 中");
  EXPECT_EQ(tokenizer.decode(std::vector<int64_t>{0}), "\uFFFD");
  EXPECT_THROW(tokenizer.decode(std::vector<int64_t>{4}), std::invalid_argument);
}

TEST(Bpe, RefusesWhatDoesNotFit) {
  EXPECT_THROW(BpeTokenizer(kTokens, {"a x"}, {}, {}), FormatError);
  EXPECT_THROW(BpeTokenizer(kTokens, {"c a"}, {}, {}), FormatError);
  EXPECT_THROW(BpeTokenizer(kTokens, {"ab"}, {}, {}), FormatError);
  EXPECT_THROW(BpeTokenizer(kTokens, {"a b", "a b"}, {}, {}), FormatError);
  TokenizerFrame wrong;
  wrong.after = {10};
  EXPECT_THROW(BpeTokenizer(kTokens, kMerges, {}, wrong), FormatError);
  wrong = {};
  wrong.added = {{"a", 1}};
  EXPECT_THROW(BpeTokenizer(kTokens, kMerges, {}, wrong), FormatError);
  wrong.added = {{"nowhere", -1}};
  EXPECT_THROW(BpeTokenizer(kTokens, kMerges, {}, wrong), FormatError);
  wrong = {};
  wrong.pad_to = int64_t{1} << 40;
  EXPECT_THROW(BpeTokenizer(kTokens, kMerges, {}, wrong), std::invalid_argument);
}

TEST(AddedTokens, TakesTheLeftmostAndOfTheseTheLongest) {
  const AddedTokenFinder finder({{"<a", 0}, {"<ab>", 1}, {"  ", 2}, {"x", 3, true, true, true}});
  EXPECT_EQ(finder.find("..<ab>", 0, 0).id, 1);
  EXPECT_EQ(finder.find("<ab", 0, 0).id, 0);
  EXPECT_EQ(finder.find("a b", 0, 0).begin, AddedTokenFinder::npos);
  const AddedTokenFinder::Match match = finder.find("a\u3000x\t b", 0, 0);
  EXPECT_EQ(match.begin, 1u);
  EXPECT_EQ(match.end, 5u);
  EXPECT_EQ(match.behind, 7u);
}

}  // namespace
}  // namespace pictrieve
