// Kernels of compressed rows, against sums in double over what the codes stand for, on every SIMD target.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "../every_target.h"
#include "pictrieve/index/distance/half_kernels.h"
#include "pictrieve/index/distance/int8_kernels.h"
#include "pictrieve/index/distance/pq_kernels.h"

namespace pictrieve {
namespace {

std::vector<float> random_values(int64_t count, unsigned seed, float size = 1) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = size * normal(generator);
  return values;
}

std::vector<uint8_t> random_codes(int64_t count, int codes, unsigned seed) {
  std::mt19937 generator(seed);
  std::vector<uint8_t> values(static_cast<size_t>(count));
  for (uint8_t& value : values) value = static_cast<uint8_t>(generator() % static_cast<unsigned>(codes));
  return values;
}

std::vector<int64_t> dims() {
  std::vector<int64_t> all{96, 128, 384, 1000, 1280};
  for (int64_t dim = 1; dim <= 70; ++dim) all.push_back(dim);
  return all;
}

constexpr int64_t kRows = 10;
const std::vector<int32_t> kPlaces{9, 0, 3, 3, 7, 1, 2, 8, 4};

/// Calls check(list, numbers) with lists of every kind over `rows`: by number and in order, of whole and short groups.
template <typename T, typename Check>
void for_each_list(const T* rows, int64_t dim, const Check& check) {
  for (const int64_t count : {0, 1, 3, 4, 5, 9}) {
    check(RowListOf<T>{rows, dim, kPlaces.data(), 0, count});
    check(RowListOf<T>{rows, dim, nullptr, 1, count});
  }
}

class QuantisedKernels : public EveryTarget {};

/// Sums of dim products may be off by the rounding of each, which grows like a random walk.
double rounding(double sizes, int64_t dim) {
  return std::numeric_limits<float>::epsilon() * (4 + std::sqrt(static_cast<double>(dim))) * sizes;
}

template <typename Half>
void expect_sums_of_halves() {
  for (const int64_t dim : dims()) {
    const auto query = random_values(dim, 1), values = random_values(dim * kRows, 2);
    std::vector<Half> rows(values.size());
    std::vector<float> decoded(values.size());
    ASSERT_EQ(encode(values.data(), dim * kRows, rows.data()), dim * kRows);
    decode(rows.data(), dim * kRows, decoded.data());
    for_each_list(rows.data(), dim, [&](const RowListOf<Half>& list) {
      std::vector<float> products(static_cast<size_t>(list.count)), distances(products);
      dots(query.data(), list, products.data());
      squared_distances(query.data(), list, distances.data());
      for (int64_t i = 0; i < list.count; ++i) {
        double product = 0, distance = 0, sizes = 0;
        for (int64_t j = 0; j < dim; ++j) {
          const double a = query[static_cast<size_t>(j)], b = decoded[static_cast<size_t>(list.number(i) * dim + j)];
          product += a * b;
          sizes += std::abs(a * b);
          distance += (a - b) * (a - b);
        }
        EXPECT_NEAR(products[static_cast<size_t>(i)], product, rounding(sizes, dim)) << dim;
        EXPECT_NEAR(distances[static_cast<size_t>(i)], distance, rounding(distance, dim)) << dim;
      }
    });
  }
}

TEST_P(QuantisedKernels, HalvesGiveTheSumsOfTheirDecodedRows) {
  expect_sums_of_halves<Float16>();
  expect_sums_of_halves<BFloat16>();
}

/// The value of a 16-bit float by its definition; infinity for the first one past the largest.
double value_of(uint16_t bits, int fraction_bits, int bias) {
  const int fraction = bits & ((1 << fraction_bits) - 1), exponent = (bits & 0x7FFF) >> fraction_bits;
  const double size = exponent == 0 ? std::ldexp(fraction, 1 - bias - fraction_bits)
                                    : std::ldexp(fraction + (1 << fraction_bits), exponent - bias - fraction_bits);
  return bits & 0x8000 ? -size : size;
}

/// All finite codes: decoding is by definition, encoding gives them back, and what lies between two goes to the nearer
/// one, from the middle to the even one.
template <typename Half>
void expect_nearest(int fraction_bits, int bias, uint16_t infinity) {
  for (uint32_t code = 0; code < infinity; ++code) {
    for (const uint32_t sign : {0U, 0x8000U}) {
      const Half half{static_cast<uint16_t>(code | sign)};
      const double here = value_of(half.bits, fraction_bits, bias);
      const double next = value_of(static_cast<uint16_t>(half.bits + 1), fraction_bits, bias);
      float decoded = 0;
      decode(&half, 1, &decoded);
      ASSERT_EQ(decoded, here);
      ASSERT_EQ(std::signbit(decoded), sign != 0);
      const float middle = static_cast<float>((here + next) / 2), outwards = sign ? -1e38F : 1e38F;
      const float values[4]{decoded, std::nextafter(middle, 0.0F), middle, std::nextafter(middle, 10 * outwards)};
      const uint32_t expected[4]{code, code, code + code % 2, code + 1};
      Half found[4];
      const int64_t overflow = encode(values, 4, found);
      for (int i = 0; i < 4; ++i) ASSERT_EQ(found[i].bits, expected[i] | sign) << values[i];
      ASSERT_EQ(overflow, code + 1 < infinity ? 4 : 2);
    }
  }
}

TEST_P(QuantisedKernels, HalvesAreTheNearestEvenOnesAndOverflowIsTold) {
  expect_nearest<Float16>(10, 15, 0x7C00);
  expect_nearest<BFloat16>(7, 127, 0x7F80);
}

TEST_P(QuantisedKernels, RowsOfBytesAreNearestToTheirScale) {
  for (const int64_t dim : dims()) {
    for (const float size : {1.0F, 1e-20F, 1e-41F, 1e-44F, 1e18F, 0.0F}) {
      const auto values = random_values(dim, 5, size);
      std::vector<int8_t> codes(values.size() + 1, 77);
      std::vector<float> decoded(values.size());
      const float scale = encode_row(values.data(), dim, codes.data());
      decode_row(codes.data(), dim, scale, decoded.data());
      float largest = 0;
      int widest = 0;
      for (size_t j = 0; j < values.size(); ++j) {
        largest = std::max(largest, std::abs(values[j]));
        widest = std::max(widest, std::abs(codes[j]));
        EXPECT_LE(std::abs(double{values[j]} - decoded[j]), 0.50001 * scale) << values[j] << " " << scale;
      }
      EXPECT_EQ(scale == 0, largest == 0);
      EXPECT_LE(widest, 127);
      if (largest > 1e-35F) {
        EXPECT_EQ(widest, 127);
      }
      EXPECT_EQ(codes.back(), 77) << "written past the end";
    }
  }
}

TEST_P(QuantisedKernels, ProductsOfBytesAreExactWithAndWithoutVnni) {
  auto sizes = dims();
  sizes.push_back(kMaxInt8Dim);
  for (const bool vnni : {true, false}) {
    use_vnni(vnni);
    for (const int64_t dim : sizes) {
      std::vector<int8_t> query(static_cast<size_t>(dim)), rows(static_cast<size_t>(dim * kRows));
      std::mt19937 generator(7);
      for (int8_t& code : query) code = static_cast<int8_t>(static_cast<int>(generator() % 255) - 127);
      for (int8_t& code : rows) code = static_cast<int8_t>(static_cast<int>(generator() % 255) - 127);
      if (dim == kMaxInt8Dim) std::fill(query.begin(), query.end(), int8_t{-127});
      std::fill_n(rows.begin() + 3 * dim, dim, int8_t{127});
      std::fill_n(rows.begin() + 4 * dim, dim, int8_t{-127});
      for_each_list(rows.data(), dim, [&](const RowListOf<int8_t>& list) {
        std::vector<int32_t> found(static_cast<size_t>(list.count), -1), expected;
        dots(query.data(), list, found.data());
        for (int64_t i = 0; i < list.count; ++i) {
          int64_t sum = 0;
          for (int64_t j = 0; j < dim; ++j) sum += int64_t{query[static_cast<size_t>(j)]} * list.row(i)[j];
          ASSERT_LE(std::abs(sum), INT32_MAX);
          expected.push_back(static_cast<int32_t>(sum));
        }
        EXPECT_EQ(found, expected) << dim;
      });
    }
  }
  use_vnni(true);
}

TEST_P(QuantisedKernels, ProductsOfCodesAreSumsOfTheTable) {
  for (const int64_t m : {1, 2, 3, 7, 8, 15, 16, 17, 32, 48, 96, 200}) {
    const auto table = random_values(m * 256, 3);
    const auto rows = random_codes((m + 3) * kRows, 256, 4);
    for_each_list(rows.data(), m + 3, [&](const RowListOf<uint8_t>& list) {
      std::vector<float> found(static_cast<size_t>(list.count));
      pq_products(table.data(), m, list, found.data());
      for (int64_t i = 0; i < list.count; ++i) {
        double sum = 0, sizes = 0;
        for (int64_t j = 0; j < m; ++j) {
          const double entry = table[static_cast<size_t>(j * 256 + list.row(i)[j])];
          sum += entry;
          sizes += std::abs(entry);
        }
        EXPECT_NEAR(found[static_cast<size_t>(i)], sum, rounding(sizes, m));
      }
    });
  }
}

TEST(PackedCodes, ComeBackWhereverTheyWereAppended) {
  for (const int64_t m : {1, 3, 4, 9, 48}) {
    const int64_t count = 150;
    const auto codes = random_codes(count * m, 16, 8);
    std::vector<uint8_t> blocks(static_cast<size_t>(packed_bytes(count, m)), 0xAB);
    for (int64_t first = 0, step = 1; first < count; first += step, step = std::min(step * 2 + 1, count - first))
      pack_codes(codes.data() + first * m, std::min(step, count - first), m, first, blocks.data());
    for (const int64_t first : {0, 5, 31, 32, 100}) {
      std::vector<uint8_t> back(static_cast<size_t>((count - first) * m));
      unpack_codes(blocks.data(), first, count - first, m, back.data());
      EXPECT_TRUE(std::equal(back.begin(), back.end(), codes.begin() + first * m));
    }
  }
}

TEST_P(QuantisedKernels, SumsOfPackedCodesAreExactAndKeysAreWithinTheirError) {
  for (const int64_t m : {1, 2, 3, 4, 5, 17, 48, 64, 257, 258, 700, 40000}) {
    const int64_t count = m > 1000 ? 40 : 150;
    const auto codes = random_codes(count * m, 16, 9);
    auto floats = random_values(m * 16, 10, 3);
    std::fill_n(floats.begin(), 16, 2.5F);  // a code that says nothing
    const PackedTable table = packed_table(floats.data(), m);
    std::vector<uint8_t> blocks(static_cast<size_t>(packed_bytes(count, m)));
    pack_codes(codes.data(), count, m, 0, blocks.data());
    std::vector<uint16_t> expected;
    for (int64_t row = 0; row < count; ++row) {
      int64_t sum = 0;
      double exact = 0;
      for (int64_t j = 0; j < m; ++j) {
        const size_t entry = static_cast<size_t>(j * 16 + codes[static_cast<size_t>(row * m + j)]);
        sum += table.entries[entry];
        exact += floats[entry];
      }
      ASSERT_LE(sum, 65535);
      expected.push_back(static_cast<uint16_t>(sum));
      EXPECT_LE(std::abs(table.key(expected.back()) - exact), table.error) << m;
    }
    EXPECT_LE(table.error, 0.51F * table.scale * static_cast<float>(m) + 1e-2F);
    for (const auto& [first, rows] :
         {std::pair<int64_t, int64_t>{0, count}, {5, 9}, {7, 33}, {32, 8}, {31, 1}, {3, 0}}) {
      std::vector<uint16_t> found(static_cast<size_t>(rows));
      packed_sums(table, {blocks.data(), nullptr, first, rows}, found.data());
      EXPECT_TRUE(std::equal(found.begin(), found.end(), expected.begin() + first)) << m << " " << first;
      std::vector<float> keys(found.size());
      packed_keys(table, found, keys.data());
      for (size_t r = 0; r < keys.size(); ++r) EXPECT_NEAR(keys[r], table.key(found[r]), table.error * 1e-3F) << m;
    }
    std::vector<uint16_t> found(kPlaces.size());
    packed_sums(table, {blocks.data(), kPlaces.data(), 0, static_cast<int64_t>(kPlaces.size())}, found.data());
    for (size_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i], expected[static_cast<size_t>(kPlaces[i])]);
  }
}

TEST(PackedTables, OfEqualEntriesHaveNoStepAndNoError) {
  const std::vector<float> table(16 * 5, -1.5F);
  const PackedTable packed = packed_table(table.data(), 5);
  EXPECT_EQ(packed.scale, 0);
  EXPECT_EQ(packed.key(0), -7.5F);
  EXPECT_LT(packed.error, 1e-5F);
}

INSTANTIATE_TEST_SUITE_P(Targets, QuantisedKernels,
                         testing::Values(0, HWY_AVX3, HWY_AVX2, HWY_SSE4, HWY_SSSE3, HWY_SCALAR));

}  // namespace
}  // namespace pictrieve
