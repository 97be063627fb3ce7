#include "pictrieve/base/checksum.h"

#include <gtest/gtest.h>

#include <string_view>

namespace pictrieve {
namespace {

uint64_t of(std::string_view text) { return checksum(text.data(), text.size()); }

TEST(Checksum, EqualsThePublishedValuesOfXxh64) {
  EXPECT_EQ(of(""), 0xEF46DB3751D8E999U);
  EXPECT_EQ(of("a"), 0xD24EC4F1A98C6E5BU);
  EXPECT_EQ(of("abc"), 0x44BC2CF5AD770999U);
  EXPECT_EQ(of("Nobody inspects the spammish repetition"), 0xFBCEA83C8A378BF1U);
}

TEST(ContentDigest, TellsContentsApart) {
  EXPECT_EQ(content_digest(""), "99aa06d3014798d86001c324468d497f");  // published value of XXH3 128
  EXPECT_NE(content_digest("a"), content_digest("b"));
  EXPECT_EQ(content_digest("a").size(), 32U);
}

}  // namespace
}  // namespace pictrieve
