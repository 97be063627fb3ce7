#include "pictrieve/text/wordpiece.h"

#include <gtest/gtest.h>

#include "pictrieve/base/error.h"

namespace pictrieve {
namespace {

const std::vector<std::string> kTokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "dog",
                                          "##s",   "run",   ".",     "n't",   "["};

using Ids = std::vector<int32_t>;

TEST(WordPiece, EncodesBetweenSpecialTokens) {
  const WordPieceTokenizer tokenizer(kTokens);
  EXPECT_EQ(tokenizer.encode("Dogs run."), (Ids{2, 5, 6, 7, 8, 3}));
  EXPECT_EQ(tokenizer.encode("dogsx run"), (Ids{2, 1, 7, 3}));
  EXPECT_EQ(tokenizer.encode(""), (Ids{2, 3}));
}

TEST(WordPiece, KeepsSpecialTokensOfTheRawText) {
  const WordPieceTokenizer tokenizer(kTokens);
  EXPECT_EQ(tokenizer.encode("dog[MASK]s[[SEP]"), (Ids{2, 5, 4, 1, 10, 3, 3}));
  EXPECT_EQ(tokenizer.encode("[mask]"), (Ids{2, 10, 1, 1, 3}));
}

TEST(WordPiece, TakesLongWordsAsUnknown) {
  WordPieceOptions options;
  options.max_chars_per_word = 3;
  const WordPieceTokenizer tokenizer(kTokens, options);
  EXPECT_EQ(tokenizer.encode("dog dogs"), (Ids{2, 5, 1, 3}));
}

TEST(WordPiece, CountsWhatItCuts) {
  const WordPieceTokenizer tokenizer(kTokens);
  const std::vector<std::string_view> texts = {"dog", "dog dog dog", "", "dogs run."};
  const PackedTokens packed = tokenizer.encode_batch(texts, 4);
  EXPECT_EQ(packed.ids, (Ids{2, 5, 3, 2, 5, 5, 3, 2, 3, 2, 5, 6, 3}));
  EXPECT_EQ(packed.offsets, (std::vector<int64_t>{0, 3, 7, 9, 13}));
  EXPECT_EQ(packed.truncated_texts, 2);
  EXPECT_EQ(packed.lost_tokens, 3);
  EXPECT_THROW(tokenizer.encode_batch(texts, 1), std::invalid_argument);
  EXPECT_EQ(tokenizer.encode_batch({}).offsets, (std::vector<int64_t>{0}));
}

TEST(WordPiece, BatchesAsItEncodesOneByOne) {
  const WordPieceTokenizer tokenizer(kTokens);
  std::vector<std::string> texts;
  for (int i = 0; i < 3000; ++i) texts.push_back(std::string(static_cast<size_t>(i % 7), '.') + " dogs run");
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  const PackedTokens packed = tokenizer.encode_batch(views);
  for (size_t i = 0; i < texts.size(); ++i)
    ASSERT_EQ(Ids(packed.ids.begin() + packed.offsets[i], packed.ids.begin() + packed.offsets[i + 1]),
              tokenizer.encode(texts[i]));
}

TEST(WordPiece, DecodesToEnglishSpacing) {
  const WordPieceTokenizer tokenizer(kTokens);
  const std::vector<int64_t> ids = {2, 5, 6, 7, 9, 8, 3};
  EXPECT_EQ(tokenizer.decode(ids), "dogs runn't.");
  EXPECT_EQ(tokenizer.decode(ids, false), "[CLS] dogs runn't. [SEP]");
  EXPECT_THROW(tokenizer.decode(std::vector<int64_t>{11}), std::invalid_argument);
}

TEST(WordPiece, NeedsItsSpecialTokens) {
  EXPECT_THROW(WordPieceTokenizer({"[UNK]", "[CLS]"}), FormatError);
  EXPECT_NO_THROW(WordPieceTokenizer({"[UNK]", "[CLS]", "[SEP]"}));
}

}  // namespace
}  // namespace pictrieve
