// Hostile index files: whatever the bytes, Index::load refuses them or gives an index that can be used. By default some
// seconds; PICTRIEVE_FUZZ_SECONDS and PICTRIEVE_FUZZ_SEED choose others (`make fuzz`: ten minutes, sanitised). The file
// of a crash stays behind under the name that is printed first.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <limits>
#include <map>
#include <random>

#include "pictrieve/base/checksum.h"
#include "pictrieve/base/error.h"
#include "pictrieve/index/index.h"

namespace pictrieve {
namespace {

using Bytes = std::vector<unsigned char>;

constexpr size_t kHead = 32, kEntry = 32;
constexpr int64_t kDim = 16;

struct Kind {
  const char* factory;
  const char* metric;
};

constexpr Kind kKinds[] = {
    {"Flat", "cosine"},         {"Flat", "l2"},           {"Flat", "chi2"},        {"HNSW4", "ip"},
    {"HNSW4,SQ8", "l2"},        {"SQ8", "cosine"},        {"SQ8,RFlat", "ip"},     {"SQfp16", "l2"},
    {"SQbf16", "cosine"},       {"LSH32", "cosine"},      {"auto", "l2"},          {"IVF4,Flat", "l2"},
    {"IVF4,SQ8", "cosine"},     {"IVF6_HNSW4", "ip"},     {"PQ4x4fs", "l2"},       {"IVF4,PQ4x4fs,RFlat", "cosine"},
    {"PCA8,HNSW4,RFlat", "l2"}, {"OPQ4_8,PQ4x4fs", "ip"}, {"RR16,Flat", "cosine"}, {"PQ4", "cosine"},
    {"IVF4,PQ4", "l2"},         {"BFlat", "hamming"},     {"BFlat", "jaccard"},    {"BHNSW4", "hamming"},
    {"BHash4", "hamming"},
};

constexpr const char* kForgedFactories[] = {
    "Flat",
    "HNSW256",
    "HNSW2",
    "SQ8",
    "SQfp16",
    "IVF4194304,Flat",
    "IVF1_HNSW256",
    "PQ16",
    "PQ1000000",
    "LSH1000000000",
    "LSH2147483647",
    "BHash64",
    "BHash2000000000",
    "PCA16,Flat",
    "RR1048576,Flat",
    "OPQ16,PQ16",
    "auto",
    "SQ8,RFlat",
    "BHNSW2",
    "IVF4,PQ4x4fs",
    ",,,,",
    "",
    "PCA16,PCA16,PCA16,PCA16,PCA16,PCA16,Flat",
    "HNSW4,RFlat",
    "IVF4,PQ4,Refine(SQ8)",
};

Matrix<float> rows_of(int64_t count, int64_t dim) {
  Matrix<float> rows(count, dim);
  for (int64_t i = 0; i < count * dim; ++i) rows.data()[i] = static_cast<float>((i * i * 31 + i * 7919) % 101);
  return rows;
}

Matrix<uint8_t> bits_of(int64_t count, int64_t dim) {
  Matrix<uint8_t> rows(count, (dim + 7) / 8);
  for (int64_t i = 0; i < count * rows.cols(); ++i) rows.data()[i] = static_cast<uint8_t>(i * i * 31 + i * 79);
  return rows;
}

/// A file taken apart, so that sections can change their length.
struct Sections {
  struct Section {
    uint32_t kind;
    uint32_t part;
    Bytes bytes;
  };
  uint32_t version = 0;
  std::vector<Section> all;

  static Sections from(const Bytes& file) {
    Sections sections;
    uint32_t count = 0;
    std::memcpy(&sections.version, file.data() + 8, 4);
    std::memcpy(&count, file.data() + 12, 4);
    for (uint32_t i = 0; i < count; ++i) {
      const unsigned char* entry = file.data() + kHead + kEntry * i;
      uint64_t place[2];
      uint32_t name[2];
      std::memcpy(name, entry, 8);
      std::memcpy(place, entry + 8, 16);
      sections.all.push_back({name[0], name[1],
                              Bytes(file.begin() + static_cast<std::ptrdiff_t>(place[0]),
                                    file.begin() + static_cast<std::ptrdiff_t>(place[0] + place[1]))});
    }
    return sections;
  }

  Bytes file() const {
    Bytes bytes(kHead + kEntry * all.size());
    std::memcpy(bytes.data(), "PTRVINDX", 8);
    const auto count = static_cast<uint32_t>(all.size());
    std::memcpy(bytes.data() + 8, &version, 4);
    std::memcpy(bytes.data() + 12, &count, 4);
    for (size_t i = 0; i < all.size(); ++i) {
      bytes.resize((bytes.size() + 63) / 64 * 64);
      const uint32_t name[2] = {all[i].kind, all[i].part};
      const uint64_t place[2] = {bytes.size(), all[i].bytes.size()};
      std::memcpy(bytes.data() + kHead + kEntry * i, name, 8);
      std::memcpy(bytes.data() + kHead + kEntry * i + 8, place, 16);
      bytes.insert(bytes.end(), all[i].bytes.begin(), all[i].bytes.end());
    }
    const uint64_t size = bytes.size();
    std::memcpy(bytes.data() + 16, &size, 8);
    return bytes;
  }
};

/// Puts checksums right, as someone would who makes a file on purpose.
void seal(Bytes& bytes) {
  if (bytes.size() < kHead) return;
  uint32_t count = 0;
  std::memcpy(&count, bytes.data() + 12, 4);
  if (count > (bytes.size() - kHead) / kEntry) return;
  for (uint32_t i = 0; i < count; ++i) {
    unsigned char* entry = bytes.data() + kHead + kEntry * i;
    uint64_t place[2];
    std::memcpy(place, entry + 8, 16);
    if (place[0] > bytes.size() || place[1] > bytes.size() - place[0]) continue;
    const uint64_t sum = checksum(bytes.data() + place[0], place[1]);
    std::memcpy(entry + 24, &sum, 8);
  }
  Bytes covered(bytes.begin(), bytes.begin() + 24);
  covered.insert(covered.end(), bytes.begin() + kHead, bytes.begin() + kHead + kEntry * count);
  const uint64_t sum = checksum(covered.data(), covered.size());
  std::memcpy(bytes.data() + 24, &sum, 8);
}

class Mutator {
 public:
  Mutator(uint64_t seed, std::vector<Bytes> files) : random_(seed), files_(std::move(files)) {}

  uint64_t below(uint64_t limit) { return random_() % limit; }

  template <typename List>
  const auto& any(const List& list) {
    return list[below(std::size(list))];
  }

  Bytes next() {
    const Bytes& original = any(files_);
    Bytes bytes = original;
    if (below(3) == 0) {
      damage(bytes, 0);
      if (below(4) == 0) cut_or_grow(bytes);
      if (below(2) == 0) seal(bytes);
      return bytes;
    }
    Sections sections = Sections::from(original);
    for (uint64_t i = 0, count = 1 + below(3); i < count && !sections.all.empty(); ++i) change(sections);
    bytes = sections.file();
    seal(bytes);
    return bytes;
  }

 private:
  /// Numbers that tend to hurt, over bytes anywhere.
  void damage(Bytes& bytes, size_t first) {
    constexpr int64_t kNumbers[] = {
        0,          1,          -1,         2,         127,           255,        256,
        INT32_MAX,  INT32_MIN,  INT64_MAX,  INT64_MIN, UINT32_MAX,    0x7fc00000, 0x7f800000,
        0x7f7fffff, 0x00000001, 0x80000000, 1 << 20,   (1 << 20) + 1, 40,         1000};
    for (uint64_t i = 0, count = 1 + below(4); i < count && bytes.size() > first; ++i) {
      const size_t place = first + below(bytes.size() - first);
      const size_t width = size_t{1} << below(4);
      const size_t aligned = place / width * width;
      const int64_t number = below(3) == 0 ? static_cast<int64_t>(random_()) : any(kNumbers);
      if (below(4) == 0)
        bytes[place] ^= static_cast<unsigned char>(1U << below(8));
      else
        std::memcpy(bytes.data() + aligned, &number, std::min(width, bytes.size() - aligned));
    }
  }

  void cut_or_grow(Bytes& bytes) {
    if (below(2) == 0)
      bytes.resize(below(bytes.size() + 1));
    else
      bytes.resize(bytes.size() + below(100), static_cast<unsigned char>(below(256)));
  }

  void change(Sections& sections) {
    auto& section = sections.all[below(sections.all.size())];
    switch (below(10)) {
      case 0:
        return cut_or_grow(section.bytes);
      case 1:
        section.part = static_cast<uint32_t>(below(8));
        return;
      case 2:
        section.kind = static_cast<uint32_t>(below(22));
        return;
      case 3:
        sections.all.push_back(Sections::Section(section));
        return;
      case 4:
        std::swap(section, sections.all[below(sections.all.size())]);
        return;
      case 5: {  // something of another file
        const Sections other = Sections::from(any(files_));
        section = any(other.all);
        return;
      }
      case 6:
        for (auto& candidate : sections.all) {
          if (candidate.kind != 9) continue;  // Factory
          const std::string factory = any(kForgedFactories);
          candidate.bytes.assign(factory.begin(), factory.end());
        }
        return;
      case 7:  // the header, which everything depends on
        return damage(sections.all[0].bytes, 0);
      default:
        if (!section.bytes.empty()) damage(section.bytes, 0);
    }
  }

  std::mt19937_64 random_;
  std::vector<Bytes> files_;
};

class FileFuzz : public testing::Test {
 protected:
  void TearDown() override {
    alarm(0);
    std::filesystem::remove(path_);
    std::filesystem::remove(path_ + ".again");
  }

  Bytes saved(const Kind& kind) const {
    const bool bits = kind.factory[0] == 'B';
    const auto index = Index::create({.dim = kDim,
                                      .metric = kind.metric,
                                      .factory = kind.factory,
                                      .dtype = bits ? "bits" : "float32",
                                      .ef_construction = 10});
    const int64_t count = std::strstr(kind.factory, "PQ4") && !std::strstr(kind.factory, "x4fs") ? 300 : 40;
    std::vector<int64_t> ids;
    for (int64_t i = 0; i < count; ++i) ids.push_back(3 * i + 5);
    const Matrix<float> floats = rows_of(count, kDim);
    const Matrix<uint8_t> packed = bits_of(count, kDim);
    index->add(bits ? VectorsView(MatrixView<const uint8_t>(packed)) : VectorsView(floats), ids, false);
    index->remove(std::vector<int64_t>{8, 20});
    index->save(path_, "note");
    return read();
  }

  Bytes read() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }

  void write(const Bytes& bytes) const {
    std::filesystem::remove(path_);  // a new file: some file systems flush one that is cut and rewritten
    std::ofstream(path_, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }

  /// Everything that an index is for. `map` may meet what a load without it has verified.
  void use(bool map) const {
    const auto index = Index::load(path_, map);
    const IndexInfo info = index->info();
    const bool bits =
        info.metric == "hamming" || (info.metric == "jaccard" && info.dtype == "bits") || info.factory.starts_with("B");
    const int64_t dim = std::min<int64_t>(info.dim, 1 << 14);  // a wrong one is refused
    const Matrix<float> floats = rows_of(3, dim);
    const Matrix<uint8_t> packed = bits_of(3, dim);
    const VectorsView rows = bits ? VectorsView(MatrixView<const uint8_t>(packed)) : VectorsView(floats);
    const Matrix<int64_t> ids = index->ids();
    const std::vector<uint8_t> mask(static_cast<size_t>(ids.cols()), 1);
    if (dim == info.dim) {
      SearchOptions options;
      for (const bool exact : {false, true}) {
        options.exact = exact;
        const auto found = index->search(rows, 5, options);
        const std::span<const float> scores(found.scores.data(),
                                            static_cast<size_t>(found.scores.rows() * found.scores.cols()));
        EXPECT_TRUE(map || std::none_of(scores.begin(), scores.end(), [](float score) { return score != score; }));
      }
      index->range_search(rows, -1, {std::nullopt, mask});
    }
    if (ids.cols() > 0) {
      const std::span<const int64_t> one(ids.data(), 1);
      bits ? index->reconstruct_bits(one).rows() : index->reconstruct(one).rows();
      index->remove(one);
    }
    if (dim == info.dim) index->add(rows, {}, false);
    index->compact();
    if (dim == info.dim) index->search(rows, 5);
    index->save(path_ + ".again");
    Index::load(path_ + ".again");
  }

  /// How a file was taken: loaded, refused, or used with an error that its values explain.
  const char* outcome(bool map) const {
    try {
      use(map);
      return "used";
    } catch (const FormatError&) {
      return "refused";
    } catch (const std::invalid_argument&) {
      return "refused in use";
    } catch (const Error& error) {  // NaN in mapped vectors: fewer items can be scored than there are
      EXPECT_TRUE(map) << error.what();
      return "found damaged in use";
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
      return "failed";
    }
  }

  std::vector<Bytes> originals() const {
    std::vector<Bytes> files;
    for (const Kind& kind : kKinds) files.push_back(saved(kind));
    for (const char* name : {"flat_l2_v1.index", "hnsw_cosine_v1.index"}) {
      std::ifstream file(std::string(TEST_DATA_DIR) + "/indexes/" + name, std::ios::binary);
      files.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
    return files;
  }

  std::string path_ =
      (std::filesystem::temp_directory_path() / ("file_fuzz_test." + std::to_string(getpid()))).string();
};

TEST_F(FileFuzz, FilesOfEveryFactoryCanBeUsed) {
  for (const Bytes& bytes : originals()) {
    write(bytes);
    EXPECT_STREQ(outcome(false), "used");
    EXPECT_STREQ(outcome(true), "used");
  }
}

TEST_F(FileFuzz, AFlippedBitAnywhereIsRefused) {
  for (const Kind& kind : kKinds) {
    Bytes bytes = saved(kind);
    const size_t step = bytes.size() > 8192 ? 7 : 3;
    for (size_t place = bytes.size() % step; place < bytes.size(); place += step) {
      bytes[place] ^= static_cast<unsigned char>(1U << (place % 8));
      write(bytes);
      EXPECT_THROW(Index::load(path_), FormatError) << kind.factory << " at " << place;
      bytes[place] ^= static_cast<unsigned char>(1U << (place % 8));
    }
  }
}

double number_of(const char* name, double otherwise) {
  const char* text = std::getenv(name);
  return text ? std::atof(text) : otherwise;
}

TEST_F(FileFuzz, AForgedFileIsRefusedOrCanBeUsed) {
  const double seconds = number_of("PICTRIEVE_FUZZ_SECONDS", 4);
  const auto seed = static_cast<uint64_t>(number_of("PICTRIEVE_FUZZ_SEED", 1));
  std::cout << "seed " << seed << ", file " << path_ << std::endl;
  Mutator mutator(seed, originals());
  std::map<std::string, int64_t> outcomes;
  const auto begin = std::chrono::steady_clock::now();
  const int threads = num_threads();
  set_num_threads(1);
  while (std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() < seconds && !HasFailure()) {
    write(mutator.next());
    alarm(60);  // a hang ends the process
    for (const bool map : {false, true}) ++outcomes[outcome(map)];
    if (HasFailure()) std::filesystem::copy_file(path_, path_ + ".failed");
  }
  set_num_threads(threads);
  for (const auto& [name, count] : outcomes) std::cout << name << ": " << count << std::endl;
  EXPECT_GT(outcomes["refused"], 0);
  EXPECT_GT(outcomes["used"], 0);
}

}  // namespace
}  // namespace pictrieve
