#include "pictrieve/index/index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <random>
#include <stdexcept>
#include <thread>

#include "pictrieve/base/error.h"

namespace pictrieve {
namespace {

Matrix<float> random_rows(int64_t rows, int64_t dim, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  Matrix<float> matrix(rows, dim);
  for (int64_t i = 0; i < rows * dim; ++i) matrix.data()[i] = normal(generator);
  return matrix;
}

std::vector<int64_t> ids_of(const SearchResult& result) {
  return {result.ids.data(), result.ids.data() + result.ids.rows() * result.ids.cols()};
}

TEST(Index, AnInterruptedAddLeavesTheGraphAsItWas) {
  const auto index = Index::create({.dim = 16, .factory = "HNSW8"});
  index->add(random_rows(400, 16, 1), {}, false);
  const Matrix<float> queries = random_rows(50, 16, 2);
  SearchOptions by_walk;
  by_walk.params.ef_search = 16;  // so few that 400 rows are not compared with all
  const auto before = ids_of(index->search(queries, 10, by_walk));
  struct Stop {};
  EXPECT_THROW(index->add(random_rows(60000, 16, 3), {}, false, [](int64_t, int64_t) { throw Stop{}; }), Stop);
  EXPECT_EQ(index->size(), 400);
  EXPECT_EQ(ids_of(index->search(queries, 10, by_walk)), before);
  index->add(random_rows(100, 16, 4), {}, false);
  EXPECT_EQ(index->ids().data()[400], 400);
}

TEST(Index, TheNumberOfThreadsMayChangeWhileAGraphIsBuilt) {
  const int threads = num_threads();
  const auto index = Index::create({.dim = 256, .metric = "l2", .factory = "HNSW16", .ef_construction = 400});
  index->add(random_rows(1500, 256, 1), {}, false);  // so that the first row of each further add takes a while
  std::atomic<bool> stopped{false};
  std::thread other([&] {
    while (!stopped) {
      set_num_threads(1);
      set_num_threads(8);
    }
  });
  for (unsigned i = 0; i < 20; ++i) index->add(random_rows(200, 256, i), {}, false);
  stopped = true;
  other.join();
  set_num_threads(threads);
  EXPECT_EQ(index->size(), 5500);
}

TEST(Index, AShortSearchTellsNoMonitorAndALongOneDoes) {
  for (const char* factory : {"Flat", "HNSW8"}) {
    const auto index = Index::create({.dim = 16, .factory = factory});
    index->add(random_rows(2000, 16, 1), {}, false);
    int told = 0;
    const Monitor monitor = [&](int64_t, int64_t) { ++told; };
    index->search(random_rows(1, 16, 2), 10, {}, monitor);
    EXPECT_EQ(told, 0) << factory;
    index->search(random_rows(8000, 16, 2), 10, {}, monitor);
    EXPECT_GT(told, 0) << factory;
  }
}

TEST(Index, AMonitorStopsASearchWithinHalfASecond) {
  const auto index = Index::create({.dim = 64});
  index->add(random_rows(40000, 64, 1), {}, false);
  const Matrix<float> queries = random_rows(20000, 64, 2);
  struct Stop {};
  const auto start = std::chrono::steady_clock::now();
  EXPECT_THROW(index->search(queries, 10, {}, [](int64_t, int64_t) { throw Stop{}; }), Stop);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(500));
}

TEST(Index, ABatchThroughBlasEqualsSingleQueries) {
  for (const char* metric : {"cosine", "ip", "l2"}) {
    const auto index = Index::create({.dim = 20, .metric = metric});
    Matrix<float> rows = random_rows(5000, 20, 1);
    for (int64_t i = 0; i < 20; ++i) rows.row(7)[i] = 300;  // one long row must not spoil the others
    index->add(rows, {}, false);
    const Matrix<float> queries = random_rows(300, 20, 2);
    const auto batch = ids_of(index->search(queries, 7));
    for (int64_t q = 0; q < 300; ++q) {
      const auto one = ids_of(index->search(queries.view().slice(q, q + 1), 7));
      EXPECT_TRUE(std::equal(one.begin(), one.end(), batch.begin() + q * 7)) << metric << " query " << q;
    }
  }
}

TEST(Index, AGraphOfNoMoreRowsThanAWalkComparesWithIsExact) {
  const auto graph = Index::create({.dim = 32, .factory = "HNSW2", .ef_construction = 4}), flat = Index::create({32});
  const Matrix<float> queries = random_rows(100, 32, 2);
  for (const int64_t rows : {128, 400}) {  // 64 candidates of 2 links: 128
    for (Index* index : {graph.get(), flat.get()}) index->add(random_rows(rows, 32, 1), {}, false);
    const bool equal = ids_of(graph->search(queries, 10)) == ids_of(flat->search(queries, 10));
    EXPECT_EQ(equal, rows == 128);
  }
}

TEST(Index, RefusesWhatItCannotDo) {
  EXPECT_THROW(Index::create({.dim = 0}), std::invalid_argument);
  EXPECT_THROW(Index::create({.dim = 4, .metric = "l3"}), std::invalid_argument);
  EXPECT_THROW(Index::create({.dim = 4, .factory = "HNSW4x"}), std::invalid_argument);
  const auto index = Index::create({.dim = 4});
  Matrix<float> rows = random_rows(3, 4, 1);
  rows.row(2)[1] = 1e30F;
  EXPECT_THROW(index->add(rows, {}, false), std::invalid_argument);
  EXPECT_EQ(index->size(), 0);
}

}  // namespace
}  // namespace pictrieve
