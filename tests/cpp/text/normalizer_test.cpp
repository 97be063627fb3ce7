#include "pictrieve/text/normalizer.h"

#include <gtest/gtest.h>

#include "pictrieve/text/unicode.h"

namespace pictrieve {
namespace {

using Kind = NormalizerStep::Kind;

std::string after(std::vector<NormalizerStep> steps, std::string_view text) {
  return Normalizer(std::move(steps)).apply(text);
}

TEST(Normalizer, ComposesCanonically) {
  const std::vector<NormalizerStep> nfc{{Kind::Nfc}};
  EXPECT_EQ(after(nfc, "plain \u00E9"), "plain \u00E9");
  EXPECT_EQ(after(nfc, "e\u0323\u0302"), "\u1EC7");
  EXPECT_EQ(after(nfc, "e\u0302\u0323"), "\u1EC7");               // marks in the other order
  EXPECT_EQ(after(nfc, "a\u0327\u0301"), "\u00E1\u0327");         // past a mark of a lower class
  EXPECT_EQ(after(nfc, "a\u0305\u0301"), "a\u0305\u0301");        // blocked by one of the same
  EXPECT_EQ(after(nfc, "\u1112\u1161\u11AB"), "\uD55C");          // Hangul, by arithmetic
  EXPECT_EQ(after(nfc, "\uD558\u11A7"), "\uD558\u11A7");          // U+11A7 is no trailing consonant
  EXPECT_EQ(after(nfc, "\u0958 \u2126"), "\u0915\u093C \u03A9");  // excluded from composition, and a singleton
}

TEST(Normalizer, RunsItsSteps) {
  EXPECT_EQ(after({{Kind::Lowercase}}, "ÀB\u0130"), "àbi\u0307");
  EXPECT_EQ(after({{Kind::Replace, "ab", "c"}}, "abab b"), "cc b");
  EXPECT_EQ(after({{Kind::ReplaceAny, "!é", ""}}, "a!bé"), "ab");
  EXPECT_EQ(after({{Kind::ReplaceWhite, "", " "}}, "a\t\u3000b c"), "a b c");
  EXPECT_EQ(after({{Kind::ReplaceBlanks, "", "_"}}, "a  b c\t\td   "), "a_b c\t\td_");
  EXPECT_EQ(after({{Kind::StripLeft}, {Kind::StripRight}}, " \u3000a b\n"), "a b");
  EXPECT_EQ(after({{Kind::StripLeft}}, "  "), "");
  EXPECT_EQ(after({}, "as it is"), "as it is");
  EXPECT_THROW(Normalizer({{Kind::Replace, "", "x"}}), std::invalid_argument);
  EXPECT_THROW(Normalizer({{Kind::Map}}), std::invalid_argument);
}

TEST(Unicode, KnowsTheClassesOfExpressions) {
  EXPECT_EQ(word_class('a'), WordClass::Letter);
  EXPECT_EQ(word_class(0x4E2D), WordClass::Letter);
  EXPECT_EQ(word_class(0xBD), WordClass::Number);
  EXPECT_EQ(word_class(0x3000), WordClass::White);
  EXPECT_EQ(word_class('_'), WordClass::Other);
}

}  // namespace
}  // namespace pictrieve
