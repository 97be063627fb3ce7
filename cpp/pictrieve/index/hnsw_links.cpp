#include "pictrieve/index/hnsw_links.h"

#include <algorithm>

#include "pictrieve/base/error.h"

namespace pictrieve {

int HnswLinks::random_level(int64_t row) const {
  // SplitMix64 (Steele, Lea, Flood 2014) of seed and row: a reloaded index continues as the saved one would have.
  uint64_t z = seed_ + (static_cast<uint64_t>(row) + 1) * 0x9E3779B97F4A7C15U;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
  double uniform = static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1.0p-53;
  const auto& probabilities = hnsw_.assign_probas;
  for (size_t level = 0; level < probabilities.size(); ++level) {
    if (uniform < probabilities[level]) return static_cast<int>(level);
    uniform -= probabilities[level];
  }
  return static_cast<int>(probabilities.size()) - 1;
}

void HnswLinks::grow(int64_t rows) {
  for (int64_t row = this->rows(); row < rows; ++row) {
    const int level = random_level(row);
    hnsw_.levels.push_back(level + 1);
    hnsw_.offsets.push_back(hnsw_.offsets.back() + static_cast<size_t>(hnsw_.cum_nb_neighbors(level + 1)));
  }
  hnsw_.neighbors.resize(hnsw_.offsets.back(), -1);
}

void HnswLinks::truncate(int64_t rows) {
  hnsw_.levels.resize(static_cast<size_t>(rows));
  hnsw_.offsets.resize(static_cast<size_t>(rows) + 1);
  hnsw_.neighbors.resize(hnsw_.offsets.back());
}

int64_t HnswLinks::bytes() const {
  return static_cast<int64_t>(hnsw_.neighbors.size() * sizeof(int32_t) + hnsw_.offsets.size() * sizeof(size_t) +
                              hnsw_.levels.size() * sizeof(int32_t));
}

void HnswLinks::restore(std::span<const int32_t> levels, std::span<const int32_t> links, int32_t entry, int max_level) {
  const auto check = [](bool ok, const char* what) { require<FormatError>(ok, "index file: damaged graph: ", what); };
  const int levels_known = static_cast<int>(hnsw_.assign_probas.size());
  const int32_t rows = static_cast<int32_t>(levels.size());
  int highest = -1;
  for (const int32_t level : levels) {
    check(level >= 1 && level <= levels_known, "level out of range");
    hnsw_.levels.push_back(level);
    hnsw_.offsets.push_back(hnsw_.offsets.back() + static_cast<size_t>(hnsw_.cum_nb_neighbors(level)));
    highest = std::max(highest, level - 1);
  }
  check(links.size() == hnsw_.offsets.back(), "wrong number of links");
  check(max_level == highest, "wrong top level");
  check(rows == 0 ? entry == -1 : entry >= 0 && entry < rows && levels[static_cast<size_t>(entry)] == highest + 1,
        "entry row out of range");
  hnsw_.neighbors.resize(links.size(), -1);
  std::copy(links.begin(), links.end(), link_data(hnsw_));
  for (int32_t row = 0; row < rows; ++row) {
    for (int level = 0; level < levels[static_cast<size_t>(row)]; ++level) {
      for (const int32_t link : of(row, level)) {
        // A link at a level that its target does not have would read past the target's lists.
        check(link >= -1 && link < rows && (link < 0 || levels[static_cast<size_t>(link)] > level),
              "link out of range");
      }
    }
  }
  set_entry(entry, max_level);
}

}  // namespace pictrieve
