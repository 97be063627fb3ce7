// Inverted lists, codebooks and projections through the index that users see.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <functional>
#include <random>
#include <set>

#include "pictrieve/base/error.h"
#include "pictrieve/index/file/index_file.h"
#include "pictrieve/index/index.h"
#include "pictrieve/index/lists/clustering.h"
#include "pictrieve/index/lists/nearest_points.h"

namespace pictrieve {
namespace {

/// Rows around 40 centres, as real features lie.
Matrix<float> clustered_rows(int64_t rows, int64_t dim, unsigned seed) {
  std::mt19937 places(7), generator(seed);
  std::normal_distribution<float> normal;
  Matrix<float> centres(40, dim), matrix(rows, dim);
  for (int64_t i = 0; i < 40 * dim; ++i) centres.data()[i] = normal(places);
  for (int64_t i = 0; i < rows; ++i) {
    const float* centre = centres.row(generator() % 40);
    for (int64_t d = 0; d < dim; ++d) matrix.row(i)[d] = centre[d] + 0.4F * normal(generator);
  }
  return matrix;
}

std::vector<int64_t> ids_of(const SearchResult& result) {
  return {result.ids.data(), result.ids.data() + result.ids.rows() * result.ids.cols()};
}

std::vector<float> scores_of(const SearchResult& result) {
  return {result.scores.data(), result.scores.data() + result.scores.rows() * result.scores.cols()};
}

SearchOptions with_nprobe(int nprobe) {
  SearchOptions options;
  options.params.nprobe = nprobe;
  return options;
}

std::unique_ptr<Index> filled(const std::string& factory, const std::string& metric, const Matrix<float>& rows) {
  auto index = Index::create({.dim = rows.cols(), .metric = metric, .factory = factory});
  index->add(rows, {}, false);
  return index;
}

std::string bytes_of(const Index& index) {
  const std::string path = testing::TempDir() + "lists_test.pt";
  index.save(path);
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(NearestPoints, AreThoseOfAPlainLoopWithAnyNumberOfRowsAndPoints) {
  using By = NearestPoints::By;
  for (const int64_t count : {1, 5, 6, 7, 64}) {
    const Matrix<float> points = clustered_rows(count, 19, 1), rows = clustered_rows(77, 19, 2);
    for (const By by : {By::Product, By::Distance}) {
      const std::vector<int32_t> nearest = NearestPoints(points, by).of(rows);
      for (int64_t i = 0; i < rows.rows(); ++i) {
        const auto badness = [&](int64_t p) {
          double product = 0, distance = 0;
          for (int64_t d = 0; d < 19; ++d) {
            product += double{rows.row(i)[d]} * points.row(p)[d];
            distance += std::pow(double{rows.row(i)[d]} - points.row(p)[d], 2);
          }
          return by == By::Product ? -product : distance;
        };
        for (int64_t p = 0; p < count; ++p) EXPECT_LE(badness(nearest[static_cast<size_t>(i)]), badness(p) + 1e-4);
      }
    }
  }
}

TEST(Clustering, HasNoEmptyClusterWhereRowsDifferAndIsTheSameForAnyNumberOfThreads) {
  const Matrix<float> rows = clustered_rows(3000, 16, 1);
  const int threads = num_threads();
  std::vector<Matrix<float>> found;
  for (const int count : {1, 3}) {
    set_num_threads(count);
    found.push_back(cluster(rows, 100, {.seed = 5}, {}));
  }
  set_num_threads(threads);
  EXPECT_TRUE(std::equal(found[0].data(), found[0].data() + 1600, found[1].data()));
  const auto nearest = NearestPoints(found[0], NearestPoints::By::Distance).of(rows);
  EXPECT_EQ(std::set(nearest.begin(), nearest.end()).size(), 100U);
}

TEST(Lists, AllOfThemVisitedGiveWhatComparingWithEveryRowGives) {
  const Matrix<float> rows = clustered_rows(2000, 24, 1), queries = clustered_rows(30, 24, 2);
  for (const char* metric : {"cosine", "ip", "l2", "l1"})
    for (const char* factory : {"IVF16,Flat", "IVF16_HNSW8,Flat", "RR24,IVF16,Flat,RFlat"}) {
      if (std::string(metric) == "l1" && factory[0] == 'R') continue;
      const auto flat = filled("Flat", metric, rows)->search(queries, 10);
      const auto found = filled(factory, metric, rows)->search(queries, 10, with_nprobe(16));
      EXPECT_EQ(ids_of(found), ids_of(flat)) << metric << factory;
      EXPECT_EQ(scores_of(found), scores_of(flat)) << metric << factory;
    }
}

TEST(Lists, AQueryAloneGetsWhatItGetsInABatch) {
  const Matrix<float> rows = clustered_rows(3000, 32, 1), queries = clustered_rows(50, 32, 2);
  for (const char* factory : {"IVF64,Flat", "IVF64,PQ8", "IVF64,PQ8x4fs", "OPQ8_16,PQ8,RFlat", "PCA16,SQ8"}) {
    const auto index = filled(factory, "l2", rows);
    const auto batch = index->search(queries, 5, with_nprobe(4));
    for (int64_t i = 0; i < queries.rows(); ++i) {
      const auto one = index->search(queries.view().slice(i, i + 1), 5, with_nprobe(4));
      EXPECT_TRUE(std::equal(one.ids.data(), one.ids.data() + 5, batch.ids.row(i))) << factory;
      EXPECT_TRUE(std::equal(one.scores.data(), one.scores.data() + 5, batch.scores.row(i))) << factory;
    }
  }
}

TEST(Lists, ManySmallAdditionsRemovalsAndReplacementsLeaveNothingBehind) {
  const Matrix<float> rows = clustered_rows(3000, 16, 1), queries = clustered_rows(20, 16, 2);
  for (const char* codec : {"Flat", "PQ8", "PQ8x4fs"}) {
    const auto index = Index::create({.dim = 16, .metric = "l2", .factory = std::string("IVF32,") + codec});
    index->train(rows);
    for (int64_t i = 0; i < 3000; i += 3) index->add(rows.view().slice(i, i + 3), {}, false);
    std::vector<int64_t> doomed, moved;
    for (int64_t id = 0; id < 3000; id += 2) doomed.push_back(id);
    for (int64_t id = 1; id < 200; id += 2) moved.push_back(id);
    index->remove(doomed);
    Matrix<float> moved_rows(100, 16);
    for (int64_t i = 0; i < 100; ++i) std::copy_n(rows.row(2 * i), 16, moved_rows.row(i));
    index->add(moved_rows, moved, true);
    const auto before = index->search(queries, 10, with_nprobe(32));
    index->compact();
    const auto after = index->search(queries, 10, with_nprobe(32));
    EXPECT_EQ(index->size(), 1500);
    EXPECT_EQ(index->info().removed, 0);
    EXPECT_EQ(ids_of(before), ids_of(after));
    EXPECT_EQ(scores_of(before), scores_of(after));
    // The same rows in a fresh index with the same centroids.
    const auto fresh = Index::create({.dim = 16, .metric = "l2", .factory = std::string("IVF32,") + codec});
    fresh->train(rows);
    std::vector<int64_t> ids;
    Matrix<float> expected(1500, 16);
    for (int64_t i = 0; i < 1500; ++i) {
      ids.push_back(2 * i + 1);
      std::copy_n(i < 100 ? moved_rows.row(i) : rows.row(2 * i + 1), 16, expected.row(i));
    }
    fresh->add(expected, ids, false);
    EXPECT_EQ(ids_of(fresh->search(queries, 10, with_nprobe(32))), ids_of(after)) << codec;
    EXPECT_EQ(scores_of(fresh->search(queries, 10, with_nprobe(32))), scores_of(after)) << codec;
  }
}

TEST(Lists, FilesAreTheSameForAnyNumberOfThreadsAndGiveTheSameResults) {
  const Matrix<float> rows = clustered_rows(2000, 16, 1), queries = clustered_rows(20, 16, 2);
  const int threads = num_threads();
  for (const char* factory : {"IVF32,Flat", "IVF32_HNSW8,PQ4", "OPQ4_8,IVF32,PQ4x4fs,RFlat", "PCA8,PQ4", "RR16,SQ8"}) {
    set_num_threads(1);
    const auto index = filled(factory, "cosine", rows);
    const std::string bytes = bytes_of(*index);
    set_num_threads(3);
    EXPECT_EQ(bytes_of(*filled(factory, "cosine", rows)), bytes) << factory;
    for (const bool map : {false, true}) {
      const auto loaded = Index::load(testing::TempDir() + "lists_test.pt", map);
      EXPECT_EQ(ids_of(loaded->search(queries, 10)), ids_of(index->search(queries, 10))) << factory;
      EXPECT_EQ(scores_of(loaded->search(queries, 10)), scores_of(index->search(queries, 10))) << factory;
      loaded->add(rows.view().slice(0, 7), {}, false);
      EXPECT_EQ(loaded->size(), 2007);
    }
  }
  set_num_threads(threads);
}

TEST(Lists, AnInterruptedTrainingOrAdditionChangesNothing) {
  struct Stop {};
  const auto stop = [](int64_t, int64_t) { throw Stop{}; };
  const Matrix<float> rows = clustered_rows(4000, 32, 1);
  const auto index = Index::create({.dim = 32, .factory = "OPQ8,IVF64,PQ8"});
  EXPECT_THROW(index->add(rows, {}, false, stop), Stop);
  EXPECT_EQ(index->size(), 0);
  EXPECT_FALSE(index->info().trained);
  index->add(rows, {}, false);
  const auto before = ids_of(index->search(rows, 3));
  EXPECT_THROW(index->add(rows, {}, false, stop), Stop);
  EXPECT_EQ(index->size(), 4000);
  EXPECT_EQ(ids_of(index->search(rows, 3)), before);
}

TEST(Lists, TooFewRowsToLearnFromAndPartsThatDoNotFitAreNamed) {
  const auto says = [](const std::string& factory, int64_t rows, const std::string& words) {
    try {
      filled(factory, "l2", clustered_rows(rows, 20, 1));
    } catch (const std::invalid_argument& error) {
      EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
      return;
    }
    ADD_FAILURE() << factory << " was accepted";
  };
  says("IVF64,Flat", 63, "at least 64 rows, got 63");
  says("PQ5", 100, "at least 256 rows");
  says("PQ8", 300, "use PQ10 or");
  says("OPQ8,PQ4", 300, "write OPQ8_16");
}

/// Rewrites a section of a saved index, with fresh checksums: what a forger would do.
void forge(const std::string& path, SectionKind kind, Part part,
           const std::function<void(std::vector<char>&)>& change) {
  const IndexFile file(path);
  std::vector<std::vector<char>> held;
  std::vector<Section> sections;
  for (uint32_t p = 0; p < 8; ++p)
    for (uint32_t k = 1; k < 32; ++k) {
      const auto of_kind = static_cast<SectionKind>(k);
      const auto of_part = static_cast<Part>(p);
      if (!file.has(of_kind, of_part)) continue;
      auto& bytes = held.emplace_back(file.length(of_kind, of_part));
      file.read(of_kind, of_part, bytes.data(), bytes.size());
      if (of_kind == kind && of_part == part) change(bytes);
      sections.push_back({of_kind, of_part, nullptr, bytes.size()});
    }
  for (size_t i = 0; i < held.size(); ++i) sections[i].data = held[i].data();
  write_index_file(path, sections);
}

TEST(Lists, ForgedFilesAreRefused) {
  const auto index = filled("PCA16,IVF32,PQ4", "l2", clustered_rows(600, 20, 1));
  const std::string path = testing::TempDir() + "forged.pt";
  const auto refused = [&](SectionKind kind, Part part, const std::function<void(std::vector<char>&)>& change) {
    index->save(path);
    forge(path, kind, part, change);
    EXPECT_THROW(Index::load(path), FormatError) << static_cast<uint32_t>(kind);
  };
  const auto put = [](size_t place, auto value) {
    return [=](std::vector<char>& bytes) { std::memcpy(bytes.data() + place, &value, sizeof(value)); };
  };
  const auto last = [](int32_t value) {
    return [=](std::vector<char>& bytes) { std::memcpy(bytes.data() + bytes.size() - 4, &value, 4); };
  };
  const auto shorter = [](std::vector<char>& bytes) { bytes.resize(bytes.size() - 4); };
  for (const int32_t value : {-1, 0, 599, 601, INT32_MAX, INT32_MIN})
    refused(SectionKind::ListOffsets, Part::Structure, last(value));
  for (const int32_t value : {-1, 2, INT32_MAX, INT32_MIN})
    refused(SectionKind::ListOffsets, Part::Structure, put(0, value));
  refused(SectionKind::ListOffsets, Part::Structure, shorter);
  refused(SectionKind::Centroids, Part::Structure, put(0, NAN));
  refused(SectionKind::Centroids, Part::Structure, shorter);
  refused(SectionKind::ListOffsets, Part::Rows, put(0, int32_t{32}));
  refused(SectionKind::ListOffsets, Part::Rows, put(0, int32_t{-1}));
  refused(SectionKind::SquaredLengths, Part::Rows, put(0, -1.0F));
  refused(SectionKind::Codebook, Part::Rows, put(0, INFINITY));
  refused(SectionKind::Codebook, Part::Rows, shorter);
  refused(SectionKind::Codes, Part::Rows, shorter);
  refused(SectionKind::Matrix, Part::Projection, put(0, NAN));
  refused(SectionKind::Bias, Part::Projection, shorter);
  index->save(path);
  EXPECT_EQ(Index::load(path)->size(), 600);
}

}  // namespace
}  // namespace pictrieve
