// The first pass of exact searches by 8-bit codes: its products on every SIMD target, and that no result tells of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>
#include <vector>

#include "../every_target.h"
#include "pictrieve/index/distance/rough_products.h"
#include "pictrieve/index/index.h"
#include "pictrieve/index/rows/float_rows.h"
#include "pictrieve/index/scan/rough_queries.h"

namespace pictrieve {
namespace {

constexpr RoughKind kKinds[] = {RoughKind::Words, RoughKind::Bytes, RoughKind::Tiles};

/// Kernels no faster than a kind, for as long as this lives.
class Limited {
 public:
  explicit Limited(RoughKind kind) : in_use_(limit_rough_kind(kind)) {}
  ~Limited() { limit_rough_kind(RoughKind::Tiles); }
  Limited(const Limited&) = delete;
  Limited& operator=(const Limited&) = delete;
  RoughKind in_use() const { return in_use_; }

 private:
  RoughKind in_use_;
};

Matrix<float> random_rows(int64_t rows, int64_t dim, unsigned seed, float mean = 0, float size = 1) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(mean, 1);
  Matrix<float> matrix(rows, dim);
  for (int64_t i = 0; i < rows * dim; ++i) matrix.data()[i] = size * normal(generator);
  return matrix;
}

class RoughProducts : public EveryTarget {};

/// The largest codes there are among random ones: sums come as near to an overflow as they can.
TEST_P(RoughProducts, AreExact) {
  std::mt19937 generator(1);
  for (const RoughKind kind : kKinds) {
    const Limited limited(kind);
    const RoughKernel* kernel = rough_kernel();
    if (limited.in_use() != kind) continue;
    const int limit = kernel->query_limit;
    for (const int64_t dim : {64, 65, 70, 96, 100, 128, 300, 384, 1000, 2048}) {
      const int64_t width = rough_width(dim);
      ASSERT_TRUE(width >= dim && width % 4 == 0 && width < dim + 4 * ((dim + 63) / 64));
      for (const int64_t groups : {1, 2, 3, 4}) {
        std::vector<uint8_t> rows(static_cast<size_t>(kTileRows * width));
        for (uint8_t& code : rows) code = static_cast<uint8_t>(generator() % 4 ? 255 : 1 + generator() % 255);
        std::vector<int8_t> codes(static_cast<size_t>(groups * kGroup * width), 0), packed(codes);
        std::vector<int32_t> start(static_cast<size_t>(groups * kGroup), 0);
        for (int64_t q = 0; q < groups * kGroup; ++q) {
          for (int64_t j = 0; j < dim; ++j) {
            const int value = static_cast<int>(generator() % static_cast<unsigned>(2 * limit + 1)) - limit;
            const auto code = static_cast<int8_t>(q % 3 == 0 ? limit : q % 3 == 1 ? -limit : value);
            codes[static_cast<size_t>(q * width + j)] = code;
            packed[static_cast<size_t>((q / kGroup * width + j / 4 * 4) * kGroup + q % kGroup * 4 + j % 4)] = code;
            start[static_cast<size_t>(q)] -= 128 * code;
          }
        }
        for (const int64_t count : {1, 5, 32}) {
          std::vector<int32_t> products(static_cast<size_t>(kTileRows * kTileQueries));
          kernel->products({rows.data(), count, width, packed.data(), groups, start.data()}, products.data());
          for (int64_t r = 0; r < count; ++r) {
            for (int64_t q = 0; q < groups * kGroup; ++q) {
              int64_t sum = 0;
              for (int64_t j = 0; j < width; ++j)
                sum += (int64_t{rows[static_cast<size_t>(r * width + j)]} - 128) *
                       codes[static_cast<size_t>(q * width + j)];
              ASSERT_EQ(products[static_cast<size_t>(r * kTileQueries + q)], sum) << dim << " " << r << " " << q;
            }
          }
        }
      }
    }
  }
}

/// Each bound is at least the exact product in double, and not further from it than codes of 7 bits explain.
TEST_P(RoughProducts, BoundsHoldAndAreTight) {
  if (!rough_kernel()) GTEST_SKIP() << "no kernel on this target";
  for (const RoughKind kind : kKinds) {
    const Limited limited(kind);
    for (const float mean : {0.0F, 3.0F}) {
      const int64_t dim = 150, count = 1024;
      FloatRows rows(dim, Metric::InnerProduct);
      rows.append(MatrixView<const float>(random_rows(count, dim, 1, mean)));
      RoughRows rough(rows);
      rough.grow(rows, {});
      const Matrix<float> asked = random_rows(20, dim, 2, mean);
      std::vector<Query> queries(20);
      for (size_t q = 0; q < queries.size(); ++q) queries[q].values = asked.row(static_cast<int64_t>(q));
      const RoughQueries packed(rows, rough, rough_kernel()->query_limit, queries);
      std::vector<int32_t> products(static_cast<size_t>(kTileRows * kTileQueries));
      std::vector<RoughHit> hits(products.size());
      for (int64_t first = 0; first < count; first += kTileRows) {
        rough_kernel()->products({rough.codes(first), kTileRows, rough.width(), packed.codes(0), 2, packed.start(0)},
                                 products.data());
        const int64_t found =
            rough_hits(products.data(), rough.rows() + first, kTileRows, packed.lanes(0), 2 * kGroup, hits.data());
        ASSERT_EQ(found, kTileRows * 20);  // without a floor all pass, but for the padding
        for (int64_t i = 0; i < found; ++i) {
          const RoughHit& hit = hits[static_cast<size_t>(i)];
          const float *query = asked.row(hit.query), *row = rows.row(first + hit.row);
          double exact = 0;
          for (int64_t j = 0; j < dim; ++j) exact += double{query[j]} * row[j];
          const double bound = double{hit.bound} / packed.lanes(0).one[hit.query];
          EXPECT_GE(bound, exact - 1e-3);                                 // float32 sums: what floors are lowered by
          EXPECT_LE(bound, exact + 2 * 0.03 * static_cast<double>(dim));  // lengths without their mean: sqrt(dim)
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, RoughProducts, testing::Values(0, HWY_AVX3, HWY_AVX2, HWY_SSE4));

/// One query at a time, of which some are tried, is compared with float rows directly.
void expect_same_as_one_by_one(const Index& index, const Matrix<float>& queries, int64_t k, const char* what) {
  const SearchResult all = index.search(MatrixView<const float>(queries), k);
  for (int64_t q = 0; q < queries.rows(); q += 27) {
    const SearchResult one = index.search(MatrixView<const float>{queries.row(q), 1, queries.cols()}, k);
    for (int64_t i = 0; i < k; ++i) {
      ASSERT_EQ(all.ids.row(q)[i], one.ids.data()[i]) << what << ", query " << q << ", hit " << i;
      ASSERT_EQ(all.scores.row(q)[i], one.scores.data()[i]) << what << ", query " << q << ", hit " << i;
    }
  }
}

class RoughScans : public EveryTarget {};

TEST_P(RoughScans, FindTheSameThroughAllChanges) {
  for (const RoughKind kind : kKinds) {
    const Limited limited(kind);
    for (const char* metric : {"ip", "cosine", "l2"}) {
      for (const float mean : {0.0F, 0.5F}) {
        const auto index = Index::create({.dim = 200, .metric = metric});
        index->add(random_rows(6000, 200, 1, mean), {}, false);
        const int64_t plain = index->info().bytes_vectors;
        const Matrix<float> queries = random_rows(260, 200, 2, mean);
        expect_same_as_one_by_one(*index, queries, 10, "first");
        EXPECT_EQ(index->info().bytes_vectors > plain, rough_kernel() != nullptr);
        index->add(random_rows(1000, 200, 3, mean), {}, false);
        index->add(random_rows(1000, 200, 2, mean), {}, false);  // among them copies of all queries
        expect_same_as_one_by_one(*index, queries, 1, "grown");
        std::vector<int64_t> gone;
        for (int64_t id = 0; id < 8000; id += 3) gone.push_back(id);
        index->remove(gone);
        index->compact();
        expect_same_as_one_by_one(*index, queries, 20, "compacted");
        index->add(random_rows(9000, 200, 4, mean), {}, false);
        expect_same_as_one_by_one(*index, queries, 10, "doubled");
      }
    }
  }
}

TEST_P(RoughScans, FindTheSameInAwkwardRows) {
  Matrix<float> ties = random_rows(6000, 64, 1);  // each row a hundred times, in any order
  for (int64_t i = 60; i < 6000; ++i) std::copy_n(ties.row(i * 37 % 60), 64, ties.row(i));
  Matrix<float> lengths = random_rows(6000, 64, 2), outlier = random_rows(6000, 64, 3),
                zeros = random_rows(6000, 64, 4);
  for (int64_t i = 0; i < 6000; ++i) {
    for (int64_t j = 0; j < 64; ++j) lengths.row(i)[j] *= std::exp(static_cast<float>(i % 20) - 10);
    outlier.row(i)[5] *= 1e4F;
    if (i % 5 == 0) std::fill_n(zeros.row(i), 64, 0.0F);
  }
  const std::pair<const char*, Matrix<float>> sets[] = {{"ties", std::move(ties)},
                                                        {"lengths", std::move(lengths)},
                                                        {"outlier", std::move(outlier)},
                                                        {"zeros", std::move(zeros)},
                                                        {"all zeros", random_rows(5000, 64, 5, 0, 0)},
                                                        {"far", random_rows(6000, 64, 5, 1000)},
                                                        {"tiny", random_rows(6000, 64, 6, 0, 1e-19F)},
                                                        {"least", random_rows(6000, 64, 6, 0, 1e-38F)},
                                                        {"huge", random_rows(6000, 64, 7, 0, 2e17F)}};
  for (const auto& [name, rows] : sets) {
    for (const char* metric : {"ip", "cosine", "l2"}) {
      const auto index = Index::create({.dim = 64, .metric = metric});
      index->add(rows, {}, false);
      Matrix<float> queries(270, 64);
      std::copy_n(rows.data(), queries.rows() * 64, queries.data());
      expect_same_as_one_by_one(*index, queries, 5, name);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, RoughScans, testing::Values(0, HWY_AVX2));

TEST(RoughScan, AnInterruptedBatchLeavesTheIndexAsItWas) {
  const auto index = Index::create({.dim = 128, .metric = "ip"});
  index->add(random_rows(30000, 128, 1), {}, false);
  const Matrix<float> queries = random_rows(300, 128, 2);
  struct Stop {};
  EXPECT_THROW(index->search(MatrixView<const float>(queries), 10, {}, [](int64_t, int64_t) { throw Stop{}; }), Stop);
  expect_same_as_one_by_one(*index, queries, 10, "after a stop");
}

}  // namespace
}  // namespace pictrieve
