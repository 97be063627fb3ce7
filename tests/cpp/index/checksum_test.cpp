#include "pictrieve/index/checksum.h"

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

}  // namespace
}  // namespace pictrieve
