#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <random>
#include <set>

#include "pictrieve/base/error.h"
#include "pictrieve/index/factory.h"
#include "pictrieve/index/file/sections.h"
#include "pictrieve/index/hash/binary_hash.h"
#include "pictrieve/index/index.h"
#include "pictrieve/index/rows/bit_rows.h"
#include "pictrieve/index/rows/half_rows.h"
#include "pictrieve/index/rows/int8_rows.h"
#include "pictrieve/index/rows/sign_rows.h"
#include "pictrieve/index/scan/scan.h"

namespace pictrieve {
namespace {

Matrix<float> random_rows(int64_t rows, int64_t dim, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.3F);
  Matrix<float> matrix(rows, dim);
  for (int64_t i = 0; i < rows * dim; ++i) matrix.data()[i] = normal(generator);
  return matrix;
}

Matrix<uint8_t> random_bits(int64_t rows, int64_t bytes, unsigned seed) {
  std::mt19937 generator(seed);
  Matrix<uint8_t> matrix(rows, bytes);
  for (int64_t i = 0; i < rows * bytes; ++i) matrix.data()[i] = static_cast<uint8_t>(generator());
  return matrix;
}

VectorsView view_of(const Matrix<uint8_t>& bits) {
  return MatrixView<const uint8_t>{bits.data(), bits.rows(), bits.cols()};
}

std::unique_ptr<Rows> made(Codec codec, int64_t dim, Metric metric) {
  auto rows = make_rows({codec, 64}, dim, metric);
  if (rows->least_for_training() > 0) rows->train({}, 1, {});
  return rows;
}

void append(Rows& rows, const Matrix<float>& values) {
  rows.prepare(values, {}, {});
  rows.append(values);
}

Query query_of(const float* values, int64_t dim) {
  Query query;
  query.values = values;
  for (int64_t i = 0; i < dim; ++i) query.squared += values[i] * values[i];
  query.inverse = 1 / std::sqrt(query.squared);
  return query;
}

float score_of(const Comparer& comparer, int64_t row) {
  const auto number = static_cast<int32_t>(row);
  float score = 0;
  comparer.scores({&number, 1}, &score);
  return score;
}

/// What a file keeps of rows, read back.
void reload(const Rows& from, Rows& to, const std::string& name) {
  const std::string path = testing::TempDir() + name;
  SectionWriter writer;
  writer.begin(Part::Rows);
  from.save(writer);
  write_index_file(path, writer.sections());
  const IndexFile file(path);
  to.load(SectionReader(file, Part::Rows, nullptr), from.size());
  std::filesystem::remove(path);
}

constexpr Codec kNumbers[] = {Codec::Float16, Codec::BFloat16, Codec::Int8, Codec::SignBits};

TEST(Codecs, AVectorFindsItselfWithExactlyThePerfectScore) {
  for (const Codec codec : kNumbers) {
    for (const int64_t dim : {1, 7, 64, 385}) {
      for (const Metric metric : {Metric::Cosine, Metric::L2}) {
        if (codec == Codec::SignBits && metric == Metric::L2) continue;
        const Matrix<float> values = random_rows(200, dim, 1);
        const auto rows = made(codec, dim, metric);
        append(*rows, values);
        const auto comparer = rows->comparer();
        for (int64_t i = 0; i < 200; ++i) {
          comparer->set_query(query_of(values.row(i), dim));
          ASSERT_EQ(score_of(*comparer, i), metric == Metric::Cosine ? 1 : 0) << static_cast<int>(codec) << " " << dim;
        }
      }
    }
  }
}

TEST(Codecs, KeysAreWithinTheirSlackOfTheScores) {
  constexpr int64_t kDim = 96, kCount = 300;
  const Matrix<float> values = random_rows(kCount, kDim, 2), queries = random_rows(20, kDim, 3);
  for (const Codec codec : kNumbers) {
    for (const Metric metric : {Metric::Cosine, Metric::InnerProduct, Metric::L2}) {
      if (codec == Codec::SignBits && metric != Metric::Cosine) continue;
      const auto rows = made(codec, kDim, metric);
      append(*rows, values);
      const auto comparer = rows->comparer();
      for (int64_t q = 0; q < 20; ++q) {
        const Query query = query_of(queries.row(q), kDim);
        const KeySlack slack = rows->slack(query);
        comparer->set_query(query);
        std::vector<float> keys(kCount), decoded(kDim);
        comparer->keys_of_block(0, kCount, keys.data());
        for (int32_t i = 0; i < kCount; ++i) {
          const float score = score_of(*comparer, i), exact = metric == Metric::L2 ? -score * score : score;
          float key = 0;
          comparer->keys({&i, 1}, &key);
          const float allowed = slack.absolute + slack.relative * std::abs(exact);
          ASSERT_NEAR(key, exact, allowed) << static_cast<int>(codec);
          ASSERT_NEAR(keys[static_cast<size_t>(i)], exact, allowed) << static_cast<int>(codec);
          if (!rows->products()) continue;
          // BLAS multiplies the query as it came with the decoded row.
          rows->decode(i, decoded.data());
          float product = 0;
          for (int64_t d = 0; d < kDim; ++d) product += query.values[d] * decoded[static_cast<size_t>(d)];
          const ProductView& view = *rows->products();
          if (metric == Metric::Cosine) product *= query.inverse * view.inverse[static_cast<size_t>(i)];
          if (metric == Metric::L2) product = 2 * product - query.squared - view.squared[static_cast<size_t>(i)];
          ASSERT_NEAR(product, exact, allowed) << static_cast<int>(codec);
        }
      }
    }
  }
}

TEST(Codecs, AScanGivesWhatComparingWithEachRowGives) {
  constexpr int64_t kDim = 24, kCount = 3000;
  Matrix<float> values = random_rows(kCount, kDim, 4);
  std::copy_n(values.row(0), kDim * 100, values.row(1500));  // ties
  const Matrix<float> queries = random_rows(30, kDim, 5);
  for (const char* dtype : {"float16", "bfloat16", "int8"}) {
    for (const char* metric : {"cosine", "ip", "l2", "l1"}) {
      if (std::string(metric) == "l1" && std::string(dtype) == "int8") continue;
      const auto index = Index::create({.dim = kDim, .metric = metric, .dtype = dtype});
      index->add(values, {}, false);
      const SearchResult batch = index->search(queries, 10);
      const SearchResult all = index->search(queries, kCount);
      for (int64_t q = 0; q < 30; ++q) {
        const auto one = index->search(MatrixView<const float>{queries.row(q), 1, kDim}, 10);
        for (int64_t i = 0; i < 10; ++i) {
          ASSERT_EQ(batch.ids.row(q)[i], all.ids.row(q)[i]) << dtype << " " << metric;
          ASSERT_EQ(batch.scores.row(q)[i], all.scores.row(q)[i]) << dtype << " " << metric;
          ASSERT_EQ(one.ids.data()[i], all.ids.row(q)[i]) << dtype << " " << metric;
        }
      }
    }
  }
}

TEST(Codecs, AFailedAppendIsUndone) {
  for (const char* factory : {"Flat", "HNSW8"}) {
    const auto index = Index::create({.dim = 8, .metric = "l2", .factory = factory, .dtype = "float16"});
    index->add(random_rows(50, 8, 6), {}, false);
    Matrix<float> large = random_rows(20, 8, 7);
    large.row(13)[2] = 70000;
    try {
      index->add(large, {}, false);
      FAIL();
    } catch (const std::invalid_argument& error) {
      EXPECT_NE(std::string(error.what()).find("row 13"), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find("bfloat16"), std::string::npos) << error.what();
    }
    EXPECT_EQ(index->size(), 50);
    large.row(13)[2] = 60000;
    index->add(large, {}, false);
    EXPECT_EQ(index->search(large, 1).ids.data()[13], 63);
    // A query that float16 cannot hold is compared as it is.
    large.row(13)[2] = 70000;
    EXPECT_EQ(index->search(large, 1).ids.data()[13], 63);
  }
  const auto tiny = Index::create({.dim = 8, .dtype = "float16"});
  Matrix<float> small = random_rows(1, 8, 8);
  for (int64_t i = 0; i < 8; ++i) small.data()[i] = 1e-9F;
  EXPECT_THROW(tiny->add(small, {}, false), std::invalid_argument);
}

TEST(Codecs, RowsAreTruncatedKeptAndReadBack) {
  constexpr int64_t kDim = 40;
  const Matrix<float> values = random_rows(60, kDim, 9), more = random_rows(30, kDim, 10);
  const std::vector<int32_t> order{3, 17, 18, 59, 89};
  using Scores = std::vector<std::pair<float, float>>;
  const auto scores_of = [&](const Rows& from, std::span<const int32_t> numbers) {
    const auto comparer = from.comparer();
    comparer->set_query(query_of(more.row(5), kDim));
    Scores scores;
    for (const int32_t row : numbers) {
      float key = 0;
      comparer->keys({&row, 1}, &key);
      scores.push_back({score_of(*comparer, row), key});
    }
    return scores;
  };
  for (const auto& [codec, metric] : {std::pair(Codec::Float16, Metric::Cosine), std::pair(Codec::BFloat16, Metric::L2),
                                      std::pair(Codec::Int8, Metric::Cosine), std::pair(Codec::Int8, Metric::L2),
                                      std::pair(Codec::SignBits, Metric::Cosine)}) {
    const auto rows = made(codec, kDim, metric), undisturbed = made(codec, kDim, metric);
    append(*rows, values);
    append(*rows, values);
    rows->truncate(60);
    EXPECT_EQ(rows->size(), 60);
    append(*rows, more);
    append(*undisturbed, values);
    append(*undisturbed, more);
    const Scores expected = scores_of(*undisturbed, order);
    EXPECT_EQ(scores_of(*rows, order), expected);
    rows->keep(order);
    const auto read = made(codec, kDim, metric);
    reload(*rows, *read, "codec.ptx");
    ASSERT_EQ(read->size(), 5);
    EXPECT_EQ(read->bytes(), rows->bytes());
    const int32_t all[] = {0, 1, 2, 3, 4};
    EXPECT_EQ(scores_of(*rows, all), expected);
    EXPECT_EQ(scores_of(*read, all), expected);
  }
}

TEST(Codecs, HostileNumbersInAFileAreRefused) {
  const std::string path = testing::TempDir() + "hostile.ptx";
  const Int8Row bad[] = {{NAN, 0, 0, 1}, {-1, 0, 0, 1},      {1, INFINITY, 0, 1},
                         {1, 0, 0, NAN}, {1, 0, 1 << 20, 1}, {1, 0, 0, -1}};
  for (const Int8Row& row : bad) {
    const int8_t codes[8] = {};
    SectionWriter writer;
    writer.begin(Part::Rows);
    writer.copy<int8_t>(SectionKind::Codes, codes);
    writer.copy<Int8Row>(SectionKind::Scales, {&row, 1});
    write_index_file(path, writer.sections());
    const IndexFile file(path);
    EXPECT_THROW(Int8Rows(8, Metric::L2).load(SectionReader(file, Part::Rows, nullptr), 1), FormatError);
  }
  const float directions[8] = {0, 0, 0, NAN, 0, 0, 0, 0};
  SectionWriter writer;
  writer.begin(Part::Rows);
  writer.copy<float>(SectionKind::Matrix, directions);
  writer.copy<uint8_t>(SectionKind::Bits, {});
  write_index_file(path, writer.sections());
  const IndexFile file(path);
  EXPECT_THROW(SignRows(4, 2).load(SectionReader(file, Part::Rows, nullptr), 0), FormatError);
  std::filesystem::remove(path);
}

TEST(BinaryHash, FindsAllRowsWithinItsRadiusAndOnlyThose) {
  constexpr int64_t kBytes = 5, kCount = 4000;  // 40 bits: four pieces of 10
  const Matrix<uint8_t> bits = random_bits(kCount, kBytes, 11), queries = random_bits(20, kBytes, 12);
  BitRows rows(kBytes * 8, Metric::Hamming);
  rows.append(view_of(bits));
  BinaryHash hash(10, kBytes * 8, Metric::Jaccard);  // by Jaccard no search ends early
  const Exclusively alone = [](const std::function<void()>& change) { change(); };
  hash.add(rows, alone, {});
  const auto comparer = rows.comparer();
  for (const auto& [nprobe, radius] : {std::pair(1, 0), std::pair(2, 1), std::pair(11, 1), std::pair(12, 2)}) {
    for (int64_t q = 0; q < 20; ++q) {
      Query query;
      query.bits = queries.row(q);
      comparer->set_query(query);
      const auto found = hash.search(*comparer, query, SearchEffort{kCount, 0, nprobe, 0, {}}, nullptr);
      ASSERT_TRUE(found);
      std::set<int32_t> expected, got;
      for (const Candidate& candidate : *found) ASSERT_TRUE(got.insert(candidate.row).second);
      for (int32_t row = 0; row < kCount; ++row) {
        uint64_t a = 0, b = 0;
        for (int64_t i = 0; i < kBytes; ++i) a = a << 8 | bits.row(row)[i], b = b << 8 | queries.row(q)[i];
        for (int shift = 0; shift < 40; shift += 10)
          if (std::popcount((a ^ b) >> shift & 1023) <= radius) expected.insert(row);
      }
      ASSERT_EQ(got, expected);
    }
  }
}

TEST(BinaryHash, IsUndoneCompactedAndReadBack) {
  const Matrix<uint8_t> bits = random_bits(3000, 8, 13);
  const MatrixView<const uint8_t> first{bits.data(), 2000, 8}, second{bits.row(2000), 1000, 8};
  const std::string path = testing::TempDir() + "hash.ptx";
  BitRows rows(64, Metric::Hamming);
  BinaryHash hash(12, 64, Metric::Hamming), again(12, 64, Metric::Hamming), loaded(12, 64, Metric::Hamming);
  const Exclusively alone = [](const std::function<void()>& change) { change(); };
  rows.append(first);
  hash.add(rows, alone, {});
  again.add(rows, alone, {});
  rows.append(second);
  hash.add(rows, alone, {});
  hash.truncate(2000);
  rows.truncate(2000);
  std::vector<int32_t> order;
  for (int32_t i = 0; i < 2000; i += 3) order.push_back(i);
  const auto file_of = [&](const BinaryHash& from) {
    SectionWriter writer;
    writer.begin(Part::Structure);
    from.save(writer);
    write_index_file(path, writer.sections());
    const IndexFile file(path);
    return SectionReader(file, Part::Structure, nullptr).read<int32_t>(SectionKind::Links);
  };
  EXPECT_EQ(file_of(hash), file_of(again));
  hash.keep(order, rows, {});
  rows.keep(order);
  const auto links = file_of(hash);
  {
    const IndexFile file(path);
    loaded.load(SectionReader(file, Part::Structure, nullptr), rows.size());
  }
  EXPECT_EQ(file_of(loaded), links);
  using Edits = std::vector<std::pair<size_t, int32_t>>;
  const auto refuses = [&](const Edits& edits) {
    auto damaged = links;
    for (const auto& [place, value] : edits) damaged[place] = value;
    SectionWriter writer;
    writer.begin(Part::Structure);
    writer.copy<int32_t>(SectionKind::Links, damaged);
    write_index_file(path, writer.sections());
    const IndexFile file(path);
    EXPECT_THROW(loaded.load(SectionReader(file, Part::Structure, nullptr), rows.size()), FormatError);
  };
  const size_t next = size_t{1} << 10;  // 64 bits in six pieces, the first of 10: so many heads
  const auto head = static_cast<size_t>(
      std::find_if(links.begin(), links.end(), [&](int32_t row) { return row >= 0 && links[next + row] < 0; }) -
      links.begin());
  ASSERT_LT(head, next);  // of a chain of one row
  const int32_t alone_there = links[head];
  for (const int32_t value : {-2, static_cast<int32_t>(rows.size()), INT32_MAX, -1}) refuses({{head, value}});
  refuses({{head, alone_there == 5 ? 6 : 5}});               // a row in two chains
  refuses({{head, -1}, {next + alone_there, alone_there}});  // a circle
  std::filesystem::remove(path);
}

TEST(BinaryHash, EndsEarlyOnlyWhenNothingNearerIsLeft) {
  const Matrix<uint8_t> bits = random_bits(6000, 5, 16), queries = random_bits(40, 5, 17);
  const auto hash = Index::create({.dim = 40, .metric = "hamming", .factory = "BHash10"});
  const auto flat = Index::create({.dim = 40, .metric = "hamming", .factory = "BFlat"});
  hash->add(view_of(bits), {}, false);
  flat->add(view_of(bits), {}, false);
  for (const int64_t k : {1, 5, 30}) {
    SearchOptions all;
    all.params.nprobe = 1024;  // the buckets of a table
    const auto found = hash->search(view_of(queries), k, all), expected = flat->search(view_of(queries), k);
    EXPECT_EQ(std::memcmp(found.ids.data(), expected.ids.data(), static_cast<size_t>(40 * k) * 8), 0) << k;
  }
}

TEST(BinaryHash, OfAnIndexFindsWhatTheRadiusAllowsAfterRemovals) {
  const Matrix<uint8_t> bits = random_bits(20000, 8, 14);
  const auto hash = Index::create({.dim = 64, .metric = "hamming", .factory = "BHash12"});
  const auto flat = Index::create({.dim = 64, .metric = "hamming", .factory = "BFlat"});
  std::vector<int64_t> removed;
  for (int64_t id = 0; id < 20000; id += 5) removed.push_back(id);
  for (const auto& index : {hash.get(), flat.get()}) {
    index->add(view_of(bits), {}, false);
    index->remove(removed);
  }
  Matrix<uint8_t> queries = random_bits(50, 8, 15);
  for (int64_t q = 0; q < 50; ++q) {  // a few bits from a row
    std::memcpy(queries.row(q), bits.row(q * 37), 8);
    queries.row(q)[q % 8] ^= 0x21;
    queries.row(q)[(q + 3) % 8] ^= 0x04;
  }
  for (int round = 0; round < 2; ++round) {
    const auto found = hash->search(view_of(queries), 1), expected = flat->search(view_of(queries), 1);
    for (int64_t q = 0; q < 50; ++q) {
      if (expected.scores.data()[q] < -11) continue;  // six pieces within one bit find all rows up to 11 bits away
      EXPECT_EQ(found.ids.data()[q], expected.ids.data()[q]) << round << " " << q;
      EXPECT_EQ(found.scores.data()[q], expected.scores.data()[q]);
    }
    hash->compact();
  }
}

}  // namespace
}  // namespace pictrieve
