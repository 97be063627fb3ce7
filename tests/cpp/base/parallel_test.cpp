#include "pictrieve/base/parallel.h"

#include <gtest/gtest.h>

#include <chrono>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

namespace pictrieve {
namespace {

TEST(ParallelFor, VisitsEachIndexOnce) {
  for (const int64_t count : {0, 1, 7, 1000}) {
    std::vector<int> visits(static_cast<size_t>(count), 0);
    parallel_for(count, 3, [&](int64_t begin, int64_t end, Worker) {
      for (int64_t i = begin; i < end; ++i) ++visits[static_cast<size_t>(i)];
    });
    EXPECT_EQ(std::accumulate(visits.begin(), visits.end(), 0), count);
    for (const int visit : visits) EXPECT_EQ(visit, 1);
  }
}

TEST(ParallelFor, RethrowsTheFirstErrorAndStopsTheRest) {
  std::atomic<int> pieces{0};
  const auto failing = [&](int64_t begin, int64_t, Worker) {
    ++pieces;
    if (begin == 0) throw std::runtime_error("first");
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  };
  EXPECT_THROW(parallel_for(10000, 1, failing), std::runtime_error);
  EXPECT_LT(pieces, 10000);
}

TEST(ParallelFor, AMonitorThatThrowsStopsTheWork) {
  std::atomic<int64_t> done{0};
  const auto slow = [&](int64_t, int64_t, Worker) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    ++done;
  };
  const auto start = std::chrono::steady_clock::now();
  EXPECT_THROW(parallel_for(100000, 1, slow, [](int64_t, int64_t) { throw std::runtime_error("stop"); }),
               std::runtime_error);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(500));
  EXPECT_LT(done, 100000);
}

TEST(ParallelFor, TheMonitorHearsOfTheEndOnTheCallingThread) {
  int64_t last = -1;
  const auto caller = std::this_thread::get_id();
  parallel_for(
      10, 1, [](int64_t, int64_t, Worker) {},
      [&](int64_t done, int64_t total) {
        EXPECT_EQ(std::this_thread::get_id(), caller);
        EXPECT_EQ(total, 10);
        last = done;
      });
  EXPECT_EQ(last, 10);
}

TEST(ParallelFor, NestedLoopsStayOnTheirThread) {
  parallel_for(4, 1, [](int64_t, int64_t, Worker) {
    const auto outer = std::this_thread::get_id();
    parallel_for(8, 1, [&](int64_t, int64_t, Worker inner) {
      EXPECT_EQ(std::this_thread::get_id(), outer);
      EXPECT_EQ(inner.index, 0);
    });
  });
}

TEST(ThreadBudget, RefusesLessThanOne) {
  EXPECT_THROW(set_num_threads(0), std::invalid_argument);
  EXPECT_GE(num_threads(), 1);
}

}  // namespace
}  // namespace pictrieve
