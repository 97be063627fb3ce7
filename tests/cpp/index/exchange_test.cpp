#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "pictrieve/base/error.h"
#include "pictrieve/index/exchange/annoy_file.h"
#include "pictrieve/index/exchange/faiss_file.h"

namespace pictrieve {
namespace {

Matrix<float> ramp(int64_t rows, int64_t dim) {
  Matrix<float> matrix(rows, dim);
  for (int64_t i = 0; i < rows * dim; ++i) matrix.data()[i] = static_cast<float>((i * 7919) % 31) - 15;
  return matrix;
}

class ExchangeTest : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove(path_); }

  std::string path_ = (std::filesystem::temp_directory_path() / ("exchange_test." + std::to_string(getpid()))).string();
};

/// What FAISS itself makes of these files is tested beside its Python package.
TEST_F(ExchangeTest, AFaissFileGivesBackWhatWasWritten) {
  const Matrix<float> rows = ramp(60, 8);
  std::vector<int64_t> ids;
  for (int64_t i = 0; i < 60; ++i) ids.push_back(1000 - 3 * i);
  for (const char* factory : {"Flat", "HNSW4", "IVF4,Flat"}) {
    const auto index = Index::create({.dim = 8, .metric = "l2", .factory = factory});
    index->add(rows, ids, false);
    index->remove(std::vector<int64_t>{ids[7]});
    write_faiss(*index, path_);
    EXPECT_EQ(index->info().removed, 1) << "writing changes nothing";
    const auto again = read_faiss(path_);
    ASSERT_EQ(again->size(), 59);
    for (size_t i = 0; i < ids.size(); ++i) {
      if (i == 7) continue;
      const auto row = again->reconstruct({&ids[i], 1});
      EXPECT_EQ(std::memcmp(row.data(), rows.row(static_cast<int64_t>(i)), 8 * sizeof(float)), 0);
    }
  }
}

TEST_F(ExchangeTest, AnEmptyIndexSurvives) {
  for (const char* factory : {"Flat", "HNSW4"}) {
    write_faiss(*Index::create({.dim = 8, .metric = "ip", .factory = factory}), path_);
    const auto again = read_faiss(path_);
    EXPECT_EQ(again->size(), 0);
    again->add(ramp(5, 8), {}, false);
    EXPECT_EQ(again->search(ramp(5, 8), 3).ids.cols(), 3);
  }
}

/// One root, twice, over two numbers, of which the first has an item.
TEST_F(ExchangeTest, AnAnnoyFileIsAnArrayOfNodes) {
  struct Node {
    int32_t descendants;
    int32_t children[2];
    float vector[3];
  };
  const Node nodes[] = {
      {1, {0, 0}, {1, 2, 3}}, {0, {0, 0}, {0, 0, 0}}, {2, {INT32_MAX, -5}, {9, 9, 9}}, {2, {INT32_MAX, -5}, {9, 9, 9}}};
  std::ofstream(path_, std::ios::binary).write(reinterpret_cast<const char*>(nodes), sizeof(nodes));
  const auto index = read_annoy(path_, 3, "angular", "Flat");
  ASSERT_EQ(index->size(), 1);
  const int64_t id = 0;
  EXPECT_EQ(index->reconstruct({&id, 1}).row(0)[2], 3);
  EXPECT_EQ(index->info().metric, "cosine");
  EXPECT_THROW(read_annoy(path_, 4, "angular"), FormatError);
  std::filesystem::resize_file(path_, 3 * sizeof(Node));
  EXPECT_THROW(read_annoy(path_, 3, "angular"), FormatError);
  EXPECT_THROW(read_annoy(path_, 0, "angular"), std::invalid_argument);
}

}  // namespace
}  // namespace pictrieve
