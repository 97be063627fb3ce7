#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>
#include <vector>

#include "../every_target.h"
#include "pictrieve/index/distance/bit_kernels.h"
#include "pictrieve/index/distance/histogram_kernels.h"
#include "pictrieve/index/distance/pairwise.h"

namespace pictrieve {
namespace {

const std::vector<int32_t> kPlaces{9, 0, 3, 3, 7, 1, 2, 8, 4};

/// Numbers >= 0 with many zeros, as histograms have them.
std::vector<float> histograms(int64_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = std::max(normal(generator), 0.0F);
  return values;
}

std::vector<uint8_t> random_bytes(int64_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::vector<uint8_t> bytes(static_cast<size_t>(count));
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(generator());
  return bytes;
}

/// For this machine's widest target, for AVX2 and for SSE4.
class Distances : public EveryTarget {};

TEST_P(Distances, HistogramKernelsEqualTheDoubleSumsForEveryTailAndCount) {
  for (int64_t dim = 1; dim < 70; ++dim) {
    const auto query = histograms(dim, 1), rows = histograms(dim * 10, 2);
    for (const int64_t count : {1, 3, 4, 5, 9}) {
      const RowList list{rows.data(), dim, kPlaces.data(), 0, count};
      std::vector<float> l1(kPlaces.size()), chi(l1), smaller(l1), jaccard(l1);
      l1_distances(query.data(), list, l1.data());
      chi_square_distances(query.data(), list, chi.data());
      intersections(query.data(), list, smaller.data());
      jaccard_similarities(query.data(), list, jaccard.data());
      for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
        double sum = 0, squares = 0, min = 0, max = 0;
        for (int64_t j = 0; j < dim; ++j) {
          const double a = query[static_cast<size_t>(j)], b = list.row(static_cast<int64_t>(i))[j];
          sum += std::abs(a - b);
          squares += a + b > 0 ? (a - b) * (a - b) / (a + b) : 0;
          min += std::min(a, b);
          max += std::max(a, b);
        }
        EXPECT_NEAR(l1[i], sum, 2e-6 * (1 + sum));
        EXPECT_NEAR(chi[i], squares, 2e-6 * (1 + squares));
        EXPECT_NEAR(smaller[i], min, 2e-6 * (1 + min));
        EXPECT_NEAR(jaccard[i], max > 0 ? min / max : 1, 2e-6);
      }
    }
  }
}

TEST_P(Distances, BitKernelsCountExactlyForEveryNumberOfBytes) {
  for (int64_t dim = 1; dim < 300; ++dim) {
    // Exactly as many bytes as needed: the address sanitizer sees a read past the end.
    const auto query = random_bytes(dim, 1), rows = random_bytes(dim * 10, 2);
    const int64_t count = static_cast<int64_t>(kPlaces.size());
    const RowListOf<uint8_t> list{rows.data(), dim, kPlaces.data(), 0, count};
    std::vector<float> differing(kPlaces.size()), jaccard(kPlaces.size());
    hamming_distances(query.data(), list, differing.data());
    jaccard_bits(query.data(), list, jaccard.data());
    for (int64_t i = 0; i < count; ++i) {
      int different = 0, both = 0, either = 0;
      for (int64_t j = 0; j < dim; ++j) {
        const uint8_t a = query[static_cast<size_t>(j)], b = list.row(i)[j];
        different += std::popcount(static_cast<uint8_t>(a ^ b));
        both += std::popcount(static_cast<uint8_t>(a & b));
        either += std::popcount(static_cast<uint8_t>(a | b));
      }
      EXPECT_EQ(differing[static_cast<size_t>(i)], static_cast<float>(different));
      EXPECT_EQ(jaccard[static_cast<size_t>(i)], static_cast<float>(both) / static_cast<float>(either));
    }
  }
}

TEST_P(Distances, RowsOfZerosAreAlikeUnderJaccardAndZeroApartUnderChiSquare) {
  const std::vector<float> zeros(21);
  const std::vector<uint8_t> no_bits(21);
  float result[1];
  jaccard_similarities(zeros.data(), {zeros.data(), 21, nullptr, 0, 1}, result);
  EXPECT_EQ(result[0], 1);
  chi_square_distances(zeros.data(), {zeros.data(), 21, nullptr, 0, 1}, result);
  EXPECT_EQ(result[0], 0);
  jaccard_bits(no_bits.data(), {no_bits.data(), 21, nullptr, 0, 1}, result);
  EXPECT_EQ(result[0], 1);
}

INSTANTIATE_TEST_SUITE_P(Targets, Distances, testing::Values(0, HWY_AVX2 | HWY_SSE4 | HWY_SSSE3, HWY_SSE4 | HWY_SSSE3));

constexpr Metric kAll[] = {Metric::Cosine,  Metric::InnerProduct, Metric::L2,
                           Metric::L1,      Metric::ChiSquare,    Metric::Intersection,
                           Metric::Jaccard, Metric::Pearson,      Metric::Hellinger};

/// More rows than one tile and one panel hold.
TEST(Pairwise, AResultDoesNotDependOnThreadsOrBlocksOfTheOther) {
  const auto values = histograms(1500 * 17, 3);
  const MatrixView<const float> x{values.data(), 300, 17}, y{values.data(), 1500, 17};
  const int before = num_threads();
  for (const Metric metric : kAll) {
    std::vector<float> one(300 * 1500), two(one);
    set_num_threads(1);
    pairwise(x, y, metric, PairKind::Distance, {one.data(), 300, 1500});
    set_num_threads(2);
    pairwise(x, y, metric, PairKind::Distance, {two.data(), 300, 1500});
    EXPECT_EQ(one, two) << name_of(metric);
    if (metric == Metric::InnerProduct || metric == Metric::Intersection) continue;
    for (size_t i = 0; i < 300; ++i) EXPECT_EQ(one[i * 1500 + i], 0) << name_of(metric) << " of row " << i;
  }
  set_num_threads(before);
}

TEST(Pairwise, SeveralPanelsGiveWhatOneGives) {
  const int64_t dim = 20'000, rows = 300;  // a panel holds 256 rows of this length
  const auto values = histograms(dim * rows, 4);
  const MatrixView<const float> x{values.data(), rows, dim};
  std::vector<float> all(static_cast<size_t>(rows * rows)), some(static_cast<size_t>(rows));
  int64_t told = 0;
  pairwise(x, x, Metric::Cosine, PairKind::Score, {all.data(), rows, rows}, [&told](int64_t done, int64_t total) {
    EXPECT_EQ(total, 300 * 300);
    EXPECT_LE(told, done);
    told = done;
  });
  EXPECT_EQ(told, rows * rows);
  for (const int64_t i : {0, 255, 256, 299}) {
    pairwise(x.slice(i, i + 1), x, Metric::Cosine, PairKind::Score, {some.data(), 1, rows});
    for (int64_t j = 0; j < rows; ++j)
      EXPECT_NEAR(all[static_cast<size_t>(i * rows + j)], some[static_cast<size_t>(j)], 2e-6);
  }
}

TEST(Pairwise, NamesTheRowThatIsNoHistogram) {
  const std::vector<float> values{1, 2, 3, -1};
  const MatrixView<const float> x{values.data(), 2, 2};
  std::vector<float> out(4);
  for (const Metric metric : {Metric::ChiSquare, Metric::Intersection, Metric::Jaccard, Metric::Hellinger}) {
    try {
      pairwise(x, x, metric, PairKind::Distance, {out.data(), 2, 2});
      FAIL() << name_of(metric) << " took a negative number";
    } catch (const std::invalid_argument& error) {
      EXPECT_NE(std::string(error.what()).find("row 1"), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace pictrieve
