#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "pictrieve/base/checksum.h"
#include "pictrieve/base/error.h"
#include "pictrieve/index/index.h"

namespace pictrieve {
namespace {

Matrix<float> ramp(int64_t rows, int64_t dim) {
  Matrix<float> matrix(rows, dim);
  for (int64_t i = 0; i < rows * dim; ++i) matrix.data()[i] = static_cast<float>((i * 7919) % 31) - 15;
  return matrix;
}

/// A small saved graph whose bytes the tests change.
class IndexFileTest : public testing::Test {
 protected:
  void SetUp() override {
    const Matrix<float> rows = ramp(12, 3);
    const auto index = Index::create({.dim = 3, .metric = "l2", .factory = "HNSW2"});
    index->add(rows, {}, false);
    index->remove(std::vector<int64_t>{4});
    index->save(path_, "note");
    std::ifstream file(path_, std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(file), {});
    expected_ = search(*index);
  }
  void TearDown() override { std::filesystem::remove(path_); }

  static std::vector<int64_t> search(const Index& index) {
    const auto result = index.search(ramp(4, 3), 5);
    return {result.ids.data(), result.ids.data() + result.ids.rows() * result.ids.cols()};
  }

  void write(const std::vector<char>& bytes) const {
    std::filesystem::remove(path_);  // a new file: some file systems flush one that is cut and rewritten
    std::ofstream(path_, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }

  /// Loads and searches; true where the file was refused, and a mapped one must not crash.
  bool refused(bool map) const {
    try {
      const auto index = Index::load(path_, map);
      const auto found = search(*index);
      EXPECT_TRUE(map || found == expected_);
      return false;
    } catch (const FormatError&) {
      return true;
    } catch (const Error&) {
      EXPECT_TRUE(map);  // NaN in mapped vectors: fewer items can be scored than there are
      return true;
    }
  }

  /// Puts checksums right, as someone would who makes a file on purpose.
  static void seal(std::vector<char>& bytes) {
    uint32_t sections = 0;
    std::memcpy(&sections, bytes.data() + 12, 4);
    for (uint32_t i = 0; i < sections; ++i) {
      char* entry = bytes.data() + 32 + 32 * i;
      uint64_t place[2];
      std::memcpy(place, entry + 8, 16);
      const uint64_t sum = checksum(bytes.data() + place[0], place[1]);
      std::memcpy(entry + 24, &sum, 8);
    }
    std::vector<char> covered(bytes.begin(), bytes.begin() + 24);
    covered.insert(covered.end(), bytes.begin() + 32, bytes.begin() + 32 + 32 * sections);
    const uint64_t sum = checksum(covered.data(), covered.size());
    std::memcpy(bytes.data() + 24, &sum, 8);
  }

  std::string path_ =
      (std::filesystem::temp_directory_path() / ("index_file_test." + std::to_string(getpid()))).string();
  std::vector<char> bytes_;
  std::vector<int64_t> expected_;
};

TEST_F(IndexFileTest, ACutAnywhereIsRefused) {
  for (size_t length = 0; length < bytes_.size(); ++length) {
    write({bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(length)});
    EXPECT_TRUE(refused(false)) << "cut at " << length;
    EXPECT_TRUE(refused(true)) << "cut at " << length;
  }
}

TEST_F(IndexFileTest, AFlippedByteIsRefusedOrMakesNoDifference) {
  for (size_t place = 0; place < bytes_.size(); ++place) {
    auto damaged = bytes_;
    damaged[place] = static_cast<char>(~damaged[place]);
    write(damaged);
    refused(false);
    refused(true);
  }
}

TEST_F(IndexFileTest, AForgedFileIsRefusedOrSearchedWithoutLeavingItsArrays) {
  for (size_t place = 64; place < bytes_.size(); ++place) {
    for (const char value : {'\x00', '\x01', '\x7f', '\xff'}) {
      auto forged = bytes_;
      forged[place] = value;
      const uint64_t table_end = 32 + 32 * static_cast<uint64_t>(bytes_[12]);
      if (place < table_end) continue;  // lengths and offsets are covered by the test above
      seal(forged);
      write(forged);
      try {
        const auto index = Index::load(path_);
        search(*index);
        index->add(ramp(3, 3), {}, true);
      } catch (const std::exception&) {
        continue;  // refused
      }
    }
  }
}

TEST_F(IndexFileTest, LengthsOfAMachineWithOtherVectorsKeepCosinesExact) {
  const Matrix<float> rows = ramp(12, 100);
  const auto index = Index::create({.dim = 100, .factory = "HNSW2"});
  index->add(rows, {}, false);
  index->save(path_);
  std::ifstream file(path_, std::ios::binary);
  bytes_.assign(std::istreambuf_iterator<char>(file), {});
  uint64_t lengths = 0;  // where the section SquaredLengths begins
  for (size_t i = 0; i < static_cast<size_t>(bytes_[12]); ++i)
    if (bytes_[32 + 32 * i] == 3) std::memcpy(&lengths, bytes_.data() + 32 + 32 * i + 8, 8);
  for (int64_t i = 0; i < 12; ++i) {
    float& length = *reinterpret_cast<float*>(bytes_.data() + lengths + 4 * static_cast<uint64_t>(i));
    length = std::nextafter(length, i % 2 ? 0.0F : INFINITY);
  }
  seal(bytes_);
  write(bytes_);
  for (const bool exact : {false, true}) {
    SearchOptions options;
    options.exact = exact;
    const auto result = Index::load(path_)->search(rows, 1, options);
    for (int64_t i = 0; i < 12; ++i) EXPECT_EQ(result.scores.row(i)[0], 1) << i;
  }
}

TEST_F(IndexFileTest, ANewerVersionSaysWhatToDo) {
  bytes_[8] = 99;
  write(bytes_);
  try {
    Index::load(path_);
    FAIL();
  } catch (const FormatError& error) {
    EXPECT_NE(std::string(error.what()).find("newer pictrieve"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace pictrieve
