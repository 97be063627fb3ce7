#include "pictrieve/text/unigram.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "pictrieve/base/error.h"
#include "pictrieve/text/char_map.h"
#include "pictrieve/text/grapheme.h"

namespace pictrieve {
namespace {

using Ids = std::vector<int32_t>;

const std::vector<std::string> kTokens = {"<unk>", "▁", "a", "b", "▁a", "ab", "<0x78>"};
const std::vector<double> kScores = {0, -3, -2, -2, -1.5, -3.9, -9};

TEST(Unigram, TakesTheMostProbableTokens) {
  const UnigramTokenizer tokenizer(kTokens, kScores, {}, {});
  EXPECT_EQ(tokenizer.encode("ab b"), (Ids{4, 3, 1, 3}));  // ▁a b at -3.5, not ▁ ab at -6.9
  EXPECT_EQ(tokenizer.encode("bab"), (Ids{1, 3, 5}));      // ab at -3.9, not a b at -4
  EXPECT_EQ(tokenizer.encode("xyz"), (Ids{1, 0}));         // unknown neighbours share one token
  EXPECT_EQ(tokenizer.decode(std::vector<int64_t>{4, 3, 1, 3}), "ab b");
  EXPECT_EQ(tokenizer.encode(" \t\u3000"), Ids{});
}

TEST(Unigram, CutsWordsAsAsked) {
  UnigramOptions options;
  options.cut = UnigramOptions::Cut::Marks;
  EXPECT_EQ(UnigramTokenizer(kTokens, kScores, options, {}).encode("a  a"), (Ids{4, 1, 4}));
  options.prefix = UnigramOptions::Prefix::Never;
  EXPECT_EQ(UnigramTokenizer(kTokens, kScores, options, {}).encode("a a"), (Ids{2, 4}));
  options.cut = UnigramOptions::Cut::Blanks;
  EXPECT_EQ(UnigramTokenizer(kTokens, kScores, options, {}).encode(" a\tb "), (Ids{2, 0, 3}));
}

TEST(Unigram, WritesUnknownCharactersAsBytesOnlyWhereAllAreTokens) {
  UnigramOptions options;
  options.byte_fallback = true;
  EXPECT_EQ(UnigramTokenizer(kTokens, kScores, options, {}).encode("x"), (Ids{1, 0}));
  std::vector<std::string> tokens = {"<unk>", "▁"};
  for (int byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", static_cast<unsigned>(byte));
    tokens.emplace_back(name);
  }
  const UnigramTokenizer all(tokens, std::vector<double>(tokens.size(), -1), options, {});
  EXPECT_EQ(all.encode("é"), (Ids{1, 2 + 0xC3, 2 + 0xA9}));
  EXPECT_EQ(all.decode(std::vector<int64_t>{1, 2 + 0xC3, 2 + 0xA9}), "é");
}

TEST(Unigram, RefusesWhatDoesNotFit) {
  UnigramOptions options;
  EXPECT_THROW(UnigramTokenizer(kTokens, {}, options, {}), FormatError);
  EXPECT_THROW(UnigramTokenizer(kTokens, std::vector<double>(8, 0), options, {}), FormatError);
  EXPECT_THROW(UnigramTokenizer({"a"}, {std::nan("")}, options, {}), FormatError);
  options.unknown = 7;
  EXPECT_THROW(UnigramTokenizer(kTokens, kScores, options, {}), FormatError);
}

/// A map of one entry, "a" -> "xy".
std::string one_entry() {
  std::vector<uint32_t> units(1024, 0);
  units[0] = 256 << 10;
  units[256 ^ 'a'] = 'a' | 0x100 | 768 << 10;
  units[256 ^ 'a' ^ 768] = 1;  // behind one byte of nothing
  const auto size = static_cast<uint32_t>(units.size() * sizeof(uint32_t));
  std::string table(sizeof size + size, '\0');
  std::memcpy(table.data(), &size, sizeof size);
  std::memcpy(table.data() + sizeof size, units.data(), size);
  return table + std::string("\0xy\0", 4);
}

std::string mapped(const CharMap& map, std::string_view text) {
  std::string out;
  map.append_mapped(text, out);
  return out;
}

TEST(CharMap, ReplacesCharactersOrShortClusters) {
  const CharMap longest(one_entry(), CharMap::Cut::Longest), clusters(one_entry(), CharMap::Cut::Graphemes);
  EXPECT_EQ(mapped(longest, "bab"), "bxyb");
  EXPECT_EQ(mapped(longest, "a\u0301"), "xy\u0301");
  EXPECT_EQ(mapped(clusters, "a\u0301b"), "xyb");                              // a cluster of 3 bytes
  EXPECT_EQ(mapped(clusters, "a\u0301\u0301\u0301"), "xy\u0301\u0301\u0301");  // and one of 7
}

TEST(CharMap, SurvivesHostileTables) {
  const std::string good = one_entry();
  EXPECT_THROW(CharMap("", CharMap::Cut::Longest), FormatError);
  EXPECT_THROW(CharMap(good.substr(0, 100), CharMap::Cut::Longest), FormatError);
  EXPECT_THROW(CharMap(good + "\xFF", CharMap::Cut::Longest), FormatError);
  std::mt19937 chance(7);
  for (int round = 0; round < 3000; ++round) {
    std::string table = good;
    for (int i = 0; i < 20; ++i) table[4 + chance() % 4096] = static_cast<char>(chance());
    for (const auto cut : {CharMap::Cut::Longest, CharMap::Cut::Graphemes})
      mapped(CharMap(table, cut), "abc a\u0301 \u1100\u1161");
  }
}

TEST(Grapheme, EndsWhereAReaderSeesTheNextCharacter) {
  EXPECT_EQ(grapheme_end("ab", 0), 1u);
  EXPECT_EQ(grapheme_end("\r\nx", 0), 2u);
  EXPECT_EQ(grapheme_end("e\u0301x", 0), 3u);
  EXPECT_EQ(grapheme_end("\u1112\u1161\u11ABx", 0), 9u);
  EXPECT_EQ(grapheme_end("\u00A9\u200D\u00AEx", 0), 7u);
  EXPECT_EQ(grapheme_end("a\u200D\u00AE", 0), 4u);
  EXPECT_EQ(grapheme_end("\u0600ax", 0), 3u);
  EXPECT_EQ(grapheme_end("\n\u0301", 0), 1u);
}

}  // namespace
}  // namespace pictrieve
