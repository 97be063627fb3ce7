#include "pictrieve/index/id_map.h"

#include <gtest/gtest.h>

#include <random>
#include <unordered_map>

namespace pictrieve {
namespace {

TEST(IdMap, BehavesAsTheStandardMapDoes) {
  std::mt19937 generator(1);
  std::unordered_map<int64_t, int32_t> expected;
  IdMap map;
  for (int32_t step = 0; step < 200000; ++step) {
    const int64_t id = static_cast<int64_t>(generator() % 500) - 250;  // few ids: long runs and many erasures
    if (generator() % 2) {
      map.exchange(id, step);
      expected[id] = step;
    } else {
      map.erase(id);
      expected.erase(id);
    }
    const int64_t asked = static_cast<int64_t>(generator() % 500) - 250;
    const auto found = expected.find(asked);
    ASSERT_EQ(map.find(asked), found == expected.end() ? IdMap::kAbsent : found->second) << "step " << step;
    ASSERT_EQ(map.size(), static_cast<int64_t>(expected.size()));
  }
}

}  // namespace
}  // namespace pictrieve
