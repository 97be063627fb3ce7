#include "pictrieve/encode/text_encoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "pictrieve/base/linalg.h"
#include "pictrieve/nn/network_config.h"
#include "pictrieve/text/wordpiece.h"

namespace pictrieve {
namespace {

std::vector<std::string> letters() {
  std::vector<std::string> tokens{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  for (char letter = 'a'; letter <= 'z'; ++letter) tokens.emplace_back(1, letter);
  return tokens;
}

std::shared_ptr<const TextNetwork> small_network() {
  return TextNetwork::load_random("bert",
                                  {{"vocab_size", 31},
                                   {"hidden_size", 32},
                                   {"num_hidden_layers", 2},
                                   {"num_attention_heads", 4},
                                   {"intermediate_size", 64},
                                   {"max_position_embeddings", 40}},
                                  7);
}

TextEncoder small_encoder(int64_t max_length = 40) {
  return TextEncoder(small_network(), std::make_shared<WordPieceTokenizer>(letters()), {Pooling::Mean, max_length});
}

std::vector<std::string> texts_of_many_lengths(int count) {
  std::vector<std::string> texts;
  for (int i = 0; i < count; ++i) {
    std::string text;
    for (int j = 0; j <= (i * 7) % 30; ++j) text += std::string(1, static_cast<char>('a' + (i + j) % 26)) + " ";
    texts.push_back(text);
  }
  return texts;
}

Matrix<float> encode(const TextEncoder& encoder, const std::vector<std::string>& texts, bool normalize = true) {
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  Matrix<float> rows(static_cast<int64_t>(texts.size()), encoder.dim());
  encoder.encode(views, normalize, rows);
  return rows;
}

TEST(TextEncoder, GivesEachTextItsOwnRowWhateverTheOrder) {
  const TextEncoder encoder = small_encoder();
  const auto texts = texts_of_many_lengths(50);
  const Matrix<float> rows = encode(encoder, texts);
  for (size_t i = 0; i < texts.size(); ++i) {
    const Matrix<float> alone = encode(encoder, {texts[i]});
    EXPECT_NEAR(dot(alone.row(0), rows.row(static_cast<int64_t>(i)), encoder.dim()), 1.0F, 1e-5) << texts[i];
  }
}

TEST(TextEncoder, NormalisesOnlyWhenAsked) {
  const TextEncoder encoder = small_encoder();
  const Matrix<float> unit = encode(encoder, {"a b c"});
  const Matrix<float> plain = encode(encoder, {"a b c"}, false);
  const float length = std::sqrt(dot(plain.row(0), plain.row(0), encoder.dim()));
  EXPECT_NEAR(dot(unit.row(0), unit.row(0), encoder.dim()), 1.0F, 1e-5);
  EXPECT_GT(std::abs(length - 1.0F), 1e-3);
  EXPECT_NEAR(plain.row(0)[3] / length, unit.row(0)[3], 1e-6);
}

TEST(TextEncoder, CountsWhatItCuts) {
  const TextEncoder encoder = small_encoder(5);
  const std::vector<std::string_view> texts{"a b c", "a b c d e", "a"};
  Matrix<float> rows(3, encoder.dim());
  const Truncation truncation = encoder.encode(texts, true, rows);
  EXPECT_EQ(truncation.texts, 1);
  EXPECT_EQ(truncation.tokens, 2);
}

TEST(TextEncoder, TellsTheMonitorHowManyTextsAreDone) {
  const TextEncoder encoder = small_encoder();
  const auto texts = texts_of_many_lengths(30);
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  Matrix<float> rows(30, encoder.dim());
  int64_t last = 0;
  encoder.encode(views, true, rows, [&](int64_t done, int64_t total) {
    EXPECT_GE(done, last);
    EXPECT_EQ(total, 30);
    last = done;
  });
  EXPECT_EQ(last, 30);
}

TEST(TextEncoder, RefusesWhatDoesNotFit) {
  const TextEncoder encoder = small_encoder();
  const std::vector<std::string_view> texts{"a"};
  EXPECT_THROW(encoder.encode(texts, true, Matrix<float>(2, encoder.dim())), std::invalid_argument);
  EXPECT_THROW(small_encoder(41), std::invalid_argument);
  EXPECT_THROW(small_encoder(2), std::invalid_argument);
}

}  // namespace
}  // namespace pictrieve
