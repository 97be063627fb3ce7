#include "pictrieve/base/names.h"

#include <gtest/gtest.h>

namespace pictrieve {
namespace {

enum class Fruit { Apple, Pear, Plum };
constexpr std::pair<std::string_view, Fruit> kFruits[] = {
    {"apple", Fruit::Apple}, {"pear", Fruit::Pear}, {"plum", Fruit::Plum}};

TEST(Names, FindTheirValue) {
  EXPECT_EQ(value_named("fruit", "apple", kFruits), Fruit::Apple);
  EXPECT_EQ(value_named("fruit", "plum", kFruits), Fruit::Plum);
}

TEST(Names, AreListedWhereNoneFits) {
  try {
    value_named("fruit", "Pear", kFruits);
    FAIL();
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(error.what(), "fruit: expected apple, pear or plum, got 'Pear'");
  }
}

}  // namespace
}  // namespace pictrieve
