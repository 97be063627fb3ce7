#include "pictrieve/base/pool.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace pictrieve {
namespace {

TEST(Pool, LendsEachObjectToOneAtATime) {
  Pool<int> pool;
  {
    const auto first = pool.borrow();
    const auto second = pool.borrow();
    EXPECT_NE(&*first, &*second);
    *first = 1;
    *second = 2;
  }
  EXPECT_EQ(pool.idle().size(), 2U);
  const auto again = pool.borrow();
  EXPECT_TRUE(*again == 1 || *again == 2);  // what came back is lent again
  EXPECT_EQ(pool.idle().size(), 1U);
}

TEST(Pool, MakesAsManyAsWereInUseAtOnce) {
  Pool<int> pool;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&, i] {
      for (int j = 0; j < 1000; ++j) {
        const auto lease = pool.borrow();
        const int mine = *lease = i * 1000 + j;
        EXPECT_EQ(*lease, mine);
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(pool.idle().size(), 4U);
}

}  // namespace
}  // namespace pictrieve
