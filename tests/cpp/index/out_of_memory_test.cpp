#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "pictrieve/base/parallel.h"
#include "pictrieve/index/index.h"

namespace {

/// Smaller ones always succeed: Pool takes a few bytes where it may not throw.
constexpr size_t kSmallestToFail = 32;

/// Larger allocations that still succeed before one fails; negative: all do.
std::atomic<int64_t> allocations_left{-1};

}  // namespace

[[gnu::noinline]] void* operator new(size_t bytes) {
  if (bytes >= kSmallestToFail && allocations_left >= 0 && allocations_left-- == 0) throw std::bad_alloc();
  if (void* memory = std::malloc(bytes)) return memory;
  throw std::bad_alloc();
}
/// The buffer of std::stable_sort, which can do without.
[[gnu::noinline]] void* operator new(size_t bytes, const std::nothrow_t&) noexcept { return std::malloc(bytes); }
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace pictrieve {
namespace {

Matrix<float> points_on_a_curve(int64_t rows, float shift) {
  Matrix<float> matrix(rows, 2);
  for (int64_t i = 0; i < rows; ++i) {
    matrix.row(i)[0] = shift + static_cast<float>((i * 37) % 101);
    matrix.row(i)[1] = static_cast<float>((i * i) % 89);
  }
  return matrix;
}

std::vector<int64_t> nearest(const Index& index, const Matrix<float>& queries) {
  const auto result = index.search(queries, 5);
  return {result.ids.data(), result.ids.data() + result.ids.rows() * result.ids.cols()};
}

TEST(OutOfMemory, AnAddThatFailsAtAnyAllocationLeavesTheIndexAsItWas) {
  const int threads = num_threads();
  set_num_threads(1);
  const Matrix<float> rows = points_on_a_curve(60, 0), more = points_on_a_curve(40, 0.5F);
  for (const char* factory : {"Flat", "HNSW4"}) {
    const auto index = Index::create({.dim = 2, .metric = "l2", .factory = factory, .ef_construction = 10});
    index->add(rows, {}, false);
    const auto before = nearest(*index, more);
    int64_t failures = 0;
    for (bool added = false; !added && !HasFailure(); ++failures) {
      try {
        allocations_left = failures;
        index->add(more, {}, false);
        added = true;
      } catch (const std::bad_alloc&) {
      }
      allocations_left = -1;
      ASSERT_EQ(index->size(), added ? 100 : 60) << factory << " " << failures;
      if (!added) {
        ASSERT_EQ(nearest(*index, more), before) << factory << ", allocation " << failures;
      }
    }
    EXPECT_GT(failures, 5);
    const auto fresh = Index::create({.dim = 2, .metric = "l2", .factory = factory, .ef_construction = 10});
    fresh->add(rows, {}, false);
    fresh->add(more, {}, false);
    EXPECT_EQ(nearest(*index, more), nearest(*fresh, more)) << factory;
  }
  set_num_threads(threads);
}

TEST(OutOfMemory, ACompactionThatFailsAtAnyAllocationLeavesTheIndexAsItWas) {
  const int threads = num_threads();
  set_num_threads(1);
  const Matrix<float> rows = points_on_a_curve(60, 0), queries = points_on_a_curve(40, 0.5F);
  const std::vector<int64_t> gone{3, 4, 17, 30, 31, 59};
  for (const char* factory : {"Flat", "SQ8", "SQfp16", "HNSW4", "HNSW4,SQ8,RFlat", "IVF4,Flat", "IVF4,PQ1x4fs"}) {
    const auto index = Index::create({.dim = 2, .metric = "l2", .factory = factory, .ef_construction = 10});
    index->add(rows, {}, false);
    index->remove(gone);
    SearchOptions exact;
    exact.exact = true;
    const auto found = [&] {
      const auto result = index->search(queries, 5, exact);
      return std::vector<int64_t>(result.ids.data(), result.ids.data() + result.ids.rows() * result.ids.cols());
    };
    const auto before = found();
    int64_t failures = 0;
    for (bool compacted = false; !compacted && !HasFailure(); ++failures) {
      try {
        allocations_left = failures;
        index->compact();
        compacted = true;
      } catch (const std::bad_alloc&) {
      }
      allocations_left = -1;
      ASSERT_EQ(index->info().removed, compacted ? 0 : 6) << factory << " " << failures;
      ASSERT_EQ(found(), before) << factory << ", allocation " << failures;
    }
    EXPECT_GT(failures, 3);
  }
  set_num_threads(threads);
}

}  // namespace
}  // namespace pictrieve
