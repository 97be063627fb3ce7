// Private: the link lists of a navigable small-world graph.
#pragma once

#include <cstdint>
#include <span>

#include "pictrieve/index/faiss_compat.h"

namespace pictrieve {

/// FAISS's arrays with bounds and names. Rows have 2M links at level 0 and M at each level above; unused ends hold -1.
class HnswLinks {
 public:
  HnswLinks(int m, uint64_t seed) : hnsw_(m), seed_(seed) {}

  int64_t rows() const { return static_cast<int64_t>(hnsw_.levels.size()); }
  int32_t entry() const { return hnsw_.entry_point; }
  int max_level() const { return hnsw_.max_level; }
  int level(int64_t row) const { return hnsw_.levels[static_cast<size_t>(row)] - 1; }
  int max_links(int level) const { return hnsw_.nb_neighbors(level); }

  std::span<int32_t> of(int64_t row, int level) {
    return {link_data(hnsw_) + begin(row, level), static_cast<size_t>(max_links(level))};
  }
  std::span<const int32_t> of(int64_t row, int level) const {
    return {link_data(hnsw_) + begin(row, level), static_cast<size_t>(max_links(level))};
  }
  /// The lists of all levels of a row, one after another.
  std::span<int32_t> all_of(int64_t row) {
    const size_t first = hnsw_.offsets[static_cast<size_t>(row)];
    return {link_data(hnsw_) + first, hnsw_.offsets[static_cast<size_t>(row) + 1] - first};
  }
  /// Level 0 without look-ups: the innermost loop of a search.
  const int32_t* at_base(int64_t row) const { return link_data(hnsw_) + hnsw_.offsets[static_cast<size_t>(row)]; }

  void set_entry(int32_t row, int level) {
    hnsw_.entry_point = row;
    hnsw_.max_level = level;
  }

  /// Makes room for rows up to `rows` at random levels, which depend on the seed and the row's number only.
  void grow(int64_t rows);

  /// Back to the first `rows`, also after a grow() that ran out of memory half-way.
  void truncate(int64_t rows);

  /// For the index file.
  std::span<const int32_t> levels() const { return hnsw_.levels; }
  std::span<const int32_t> all_links() const { return {link_data(hnsw_), hnsw_.neighbors.size()}; }
  int64_t bytes() const;

  /// Takes over arrays from a file. Throws FormatError unless every link can be followed safely.
  void restore(std::span<const int32_t> levels, std::span<const int32_t> links, int32_t entry, int max_level);

 private:
  size_t begin(int64_t row, int level) const {
    return hnsw_.offsets[static_cast<size_t>(row)] + static_cast<size_t>(hnsw_.cum_nb_neighbors(level));
  }
  int random_level(int64_t row) const;

  faiss::HNSW hnsw_;
  uint64_t seed_;
};

}  // namespace pictrieve
