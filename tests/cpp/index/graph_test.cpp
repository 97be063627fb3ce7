#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>
#include <numeric>
#include <random>
#include <shared_mutex>
#include <string>
#include <thread>

#include "pictrieve/index/file/sections.h"
#include "pictrieve/index/graph/hnsw_graph.h"
#include "pictrieve/index/rows/float_rows.h"

namespace pictrieve {
namespace {

constexpr int64_t kDim = 12;
struct Stop {};

const Exclusively kAlone = [](const std::function<void()>& change) { change(); };

/// Points around centres, so that there are near and far ones.
Matrix<float> clustered(int64_t count, unsigned seed, float shift = 0) {
  std::mt19937 common(99), generator(seed);
  std::normal_distribution<float> normal;
  Matrix<float> centres(20, kDim), points(count, kDim);
  for (int64_t i = 0; i < 20 * kDim; ++i) centres.data()[i] = shift + 2 * normal(common);
  for (int64_t i = 0; i < count; ++i)
    for (int64_t j = 0; j < kDim; ++j) points.row(i)[j] = centres.row(i % 20)[j] + normal(generator);
  return points;
}

/// A graph and its rows.
struct Grown {
  FloatRows rows{kDim, Metric::L2};
  HnswGraph graph{8, 60, 5};

  void add(const Matrix<float>& points, const Exclusively& exclusively = kAlone, const Monitor& monitor = {}) {
    rows.append(MatrixView<const float>(points));
    graph.add(rows, exclusively, monitor);
  }

  std::string bytes() const {
    SectionWriter file;
    graph.save(file);
    std::string all;
    for (const auto& section : file.sections()) all.append(static_cast<const char*>(section.data), section.length);
    return all;
  }

  std::vector<int32_t> nearest(const float* point, int64_t k, int64_t ef, const uint8_t* allowed = nullptr) const {
    const auto comparer = rows.comparer();
    Query query;
    query.values = point;
    comparer->set_query(query);
    SearchEffort effort;
    effort.count = effort.least = k;
    effort.ef = ef;
    auto found = graph.search(*comparer, query, effort, allowed).value();
    std::sort(found.begin(), found.end(),
              [](Candidate a, Candidate b) { return a.key != b.key ? a.key > b.key : a.row < b.row; });
    std::vector<int32_t> best;
    for (const Candidate& candidate : found)
      if (static_cast<int64_t>(best.size()) < k) best.push_back(candidate.row);
    return best;
  }

  std::vector<int32_t> exact(const float* point, int64_t k, const uint8_t* allowed = nullptr) const {
    std::vector<std::pair<double, int32_t>> all;
    for (int32_t row = 0; row < rows.size(); ++row) {
      double sum = 0;
      for (int64_t j = 0; j < kDim; ++j) sum += std::pow(double{rows.row(row)[j]} - point[j], 2);
      if (!allowed || allowed[row]) all.emplace_back(sum, row);
    }
    std::sort(all.begin(), all.end());
    std::vector<int32_t> best;
    for (int64_t i = 0; i < std::min<int64_t>(k, static_cast<int64_t>(all.size())); ++i)
      best.push_back(all[static_cast<size_t>(i)].second);
    return best;
  }

  double recall(const Matrix<float>& queries, int64_t ef, const uint8_t* allowed = nullptr) const {
    int64_t hits = 0, wanted = 0;
    for (int64_t q = 0; q < queries.rows(); ++q) {
      const auto found = nearest(queries.row(q), 10, ef, allowed), truth = exact(queries.row(q), 10, allowed);
      wanted += static_cast<int64_t>(truth.size());
      for (const int32_t row : truth) hits += std::count(found.begin(), found.end(), row);
    }
    return static_cast<double>(hits) / static_cast<double>(wanted);
  }

  int64_t reachable() const {
    return static_cast<int64_t>(nearest(rows.row(rows.size() / 2), rows.size(), rows.size()).size());
  }

  void keep(const std::vector<int32_t>& order, const Monitor& monitor = {}) {
    graph.keep(order, rows, monitor);
    rows.keep(order);
  }
};

/// Runs with each of several numbers of threads.
template <typename Work>
void with_threads(std::initializer_list<int> counts, const Work& work) {
  const int threads = num_threads();
  for (const int count : counts) {
    set_num_threads(count);
    work();
  }
  set_num_threads(threads);
}

std::vector<int32_t> every(int32_t step, int32_t count) {
  std::vector<int32_t> rows;
  for (int32_t row = 1; row < count; row += step) rows.push_back(row);
  return rows;
}

TEST(Graph, BytesDoNotDependOnThreads) {
  std::vector<std::string> built, kept;
  with_threads({1, 2, 7}, [&] {
    Grown grown;
    grown.add(clustered(3000, 1));
    grown.add(clustered(500, 2));
    built.push_back(grown.bytes());
    grown.keep(every(3, 3500));
    kept.push_back(grown.bytes());
  });
  EXPECT_TRUE(built[0] == built[1] && built[0] == built[2]);
  EXPECT_TRUE(kept[0] == kept[1] && kept[0] == kept[2]);
}

TEST(Graph, TruncateBringsBackWhatWasWhereverAnAddStopped) {
  Grown grown, straight;
  grown.add(clustered(900, 1));
  straight.add(clustered(900, 1));
  const std::string before = grown.bytes();
  straight.add(clustered(800, 2));
  for (int stop = 0; stop < 10; ++stop) {
    int changes = 0, told = 0;
    const Exclusively exclusively = [&](const std::function<void()>& change) {
      change();
      if (stop % 2 == 0 && changes++ == stop / 2) throw Stop();
    };
    const Monitor monitor = [&](int64_t, int64_t) {
      if (stop % 2 == 1 && told++ == stop / 2) throw Stop();
    };
    EXPECT_THROW(grown.add(clustered(800, 2), exclusively, monitor), Stop) << stop;
    grown.graph.truncate(900);
    grown.rows.truncate(900);
    ASSERT_TRUE(grown.bytes() == before) << stop;
  }
  grown.add(clustered(800, 2));
  EXPECT_TRUE(grown.bytes() == straight.bytes());
}

TEST(Graph, PathsLeadToEveryRowAlsoAmongManyEqualOnes) {
  for (const int64_t equal : {0, 40, 1500}) {
    Matrix<float> points = clustered(2500, 3);
    for (int64_t i = 0; i < equal; ++i) std::copy_n(points.row(7), kDim, points.row((i * 37) % 2500));
    Grown grown;
    grown.add(points);
    EXPECT_EQ(grown.reachable(), 2500) << equal;
  }
}

TEST(Graph, RowsOfOneBatchThatResembleOnlyEachOtherAreFound) {
  Grown grown;
  grown.add(clustered(4000, 1));
  grown.add(clustered(200, 2, 60));
  EXPECT_GT(grown.recall(clustered(60, 2, 60), 64), 0.99);
}

TEST(Graph, SearchesGoOnWhileRowsAreAdded) {
  Grown grown;
  const Matrix<float> points = clustered(9000, 1), queries = clustered(50, 4);
  grown.rows.append(MatrixView<const float>(points));
  std::shared_mutex lock;
  std::atomic<bool> done{false};
  std::atomic<int64_t> searches{0};
  std::thread reader([&] {
    for (int64_t q = 0; !done; q = (q + 1) % 50) {
      const std::shared_lock reading(lock);
      const auto found = grown.nearest(queries.row(q), 10, 40);
      if (!found.empty()) ++searches;
    }
  });
  const Exclusively exclusively = [&](const std::function<void()>& change) {
    const std::unique_lock alone(lock);
    change();
  };
  grown.graph.add(grown.rows, exclusively, {});
  done = true;
  reader.join();
  EXPECT_GT(searches, 100);
  EXPECT_GT(grown.recall(queries, 64), 0.98);
}

TEST(Graph, AfterKeepingSomeItServesAsWellAsOneBuiltOfThem) {
  const Matrix<float> points = clustered(6000, 1), queries = clustered(150, 4);
  for (const int32_t step : {2, 10, 100}) {
    Grown kept, fresh;
    kept.add(points);
    kept.keep(every(step, 6000));
    fresh.rows.append(MatrixView<const float>(points));
    fresh.rows.keep(every(step, 6000));
    fresh.graph.add(fresh.rows, kAlone, {});
    EXPECT_EQ(kept.reachable(), kept.rows.size());
    EXPECT_GE(kept.recall(queries, 64), fresh.recall(queries, 64) - 0.005) << step;
    kept.add(clustered(500, 2));  // and it grows on
    EXPECT_GT(kept.recall(queries, 64), 0.98);
  }
}

TEST(Graph, KeepingNothingOrEverythingOrBeingStopped) {
  Grown grown;
  grown.add(clustered(1000, 1));
  const std::string before = grown.bytes();
  EXPECT_THROW(grown.graph.keep(every(2, 1000), grown.rows, [](int64_t, int64_t) { throw Stop(); }), Stop);
  EXPECT_TRUE(grown.bytes() == before);
  std::vector<int32_t> all(1000);
  std::iota(all.begin(), all.end(), 0);
  grown.keep(all);
  EXPECT_TRUE(grown.recall(clustered(50, 4), 64) > 0.98);
  grown.keep({});
  EXPECT_TRUE(grown.nearest(clustered(1, 4).row(0), 5, 20).empty());
  grown.add(clustered(1000, 1));
  EXPECT_TRUE(grown.bytes() == before);
}

TEST(Graph, AFilteredWalkFindsAllowedRowsOnly) {
  Grown grown;
  grown.add(clustered(8000, 1));
  const Matrix<float> queries = clustered(100, 4);
  std::mt19937 generator(9);
  for (const unsigned percent : {2U, 5U, 20U, 60U}) {
    std::vector<uint8_t> allowed(8000);
    for (uint8_t& flag : allowed) flag = generator() % 100 < percent;
    EXPECT_GT(grown.recall(queries, 64, allowed.data()), 0.98) << percent;
    for (const int32_t row : grown.nearest(queries.row(0), 10, 64, allowed.data()))
      EXPECT_TRUE(allowed[static_cast<size_t>(row)]);
  }
}

}  // namespace
}  // namespace pictrieve
