// The nearest rows to a query among those that were added: the library's one index type, whatever its structure inside.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pictrieve/base/matrix.h"
#include "pictrieve/base/parallel.h"
#include "pictrieve/index/vectors.h"

namespace pictrieve {

struct IndexOptions {
  int64_t dim = 0;                ///< numbers (bits) in a row
  std::string metric = "cosine";  ///< see metric.h
  std::string factory = "Flat";   ///< what FAISS calls an index factory string; factory.h lists the parts
  std::string dtype = "float32";  ///< of the rows that are kept: float32, float16, bfloat16, int8, bits
  uint64_t seed = 0;              ///< of whatever is random: equal seeds and rows give equal files
  int ef_construction = 200;  ///< candidates while a graph's row is linked: more is slower to build, better to search
};

/// Which items a search may return; decided before anything is scored. Without ids and mask, all of them.
struct Filter {
  std::optional<std::span<const int64_t>> ids;   ///< allowed ids; unknown ones match nothing
  std::optional<std::span<const uint8_t>> mask;  ///< non-zero at i allows the i-th of Index::ids()
};

/// How hard searches try; 0 takes the index's default. More is slower and finds more of what is near.
struct SearchParams {
  int ef_search = 0;  ///< candidates of a graph walk
  int nprobe = 0;     ///< lists visited
  int k_factor = 0;   ///< with codes and originals: candidates for exact scores, in multiples of k
};

struct SearchOptions {
  Filter where;
  std::optional<float> min_score;  ///< drop what scores less; the result then carries offsets
  SearchParams params;
  bool exact = false;                 ///< compare with every row, and with originals where there are any
  MatrixView<int64_t> out_ids = {};   ///< when not null, ids are written here, (n, min(k, matching))
  MatrixView<float> out_scores = {};  ///< likewise for the scores
};

/// Best first, ties by id. Row i of `(n, m)` matrices belongs to query i, m = min(k, matching items). Where lengths
/// differ (min_score, range_search), one row holds all and that of query i is [offsets[i], offsets[i + 1]).
struct SearchResult {
  Matrix<int64_t> ids;
  Matrix<float> scores;
  std::vector<int64_t> offsets;
};

/// What an index is made of.
struct IndexInfo {
  int64_t dim = 0;
  std::string metric;
  std::string factory;
  std::string dtype;
  SearchParams params;       ///< the defaults
  bool approximate = false;  ///< may miss what is near
  bool trained = true;
  int64_t removed = 0;  ///< rows that are deleted but still take up space
  int64_t bytes_vectors = 0;
  int64_t bytes_structure = 0;  ///< of graph, lists or tables
};

/// Many threads may read at once; a writer waits for them and they for it. Finite inputs give finite scores.
/// A query's result does not depend on the queries it came with.
class Index {
 public:
  static std::unique_ptr<Index> create(const IndexOptions& options);

  /// Everything is checked on reading. With `map`, vectors stay in the file and are paged in when needed: their size is
  /// checked, their checksum is not (see verify).
  static std::unique_ptr<Index> load(const std::string& path, bool map = false);

  virtual ~Index() = default;

  /// Adds (n, dim) rows. Empty `ids` numbers them after the largest id so far. An id that is present is an error, or
  /// with `replace` its row is replaced. Nothing is added when this throws (an error, or the monitor).
  virtual void add(VectorsView rows, std::span<const int64_t> ids, bool replace, const Monitor& monitor = {}) = 0;

  /// Learns codebooks and lists from rows like those to come; otherwise the first add() learns from its own.
  virtual void train(VectorsView rows, const Monitor& monitor = {}) = 0;

  /// Deletes what is present of `ids` and returns how many those were.
  virtual int64_t remove(std::span<const int64_t> ids) = 0;

  /// Gives back the space of deleted rows; a graph is mended around them. Without a graph or hash tables this happens
  /// on its own where they are more than a quarter. A monitor may not call the index that it watches.
  virtual void compact(const Monitor& monitor = {}) = 0;

  /// The monitor hears of searches that take more than some milliseconds.
  virtual SearchResult search(VectorsView queries, int64_t k, const SearchOptions& options = {},
                              const Monitor& monitor = {}) const = 0;

  /// All items that score at least `threshold`, exactly; the result carries offsets.
  virtual SearchResult range_search(VectorsView queries, float threshold, const Filter& where = {},
                                    const Monitor& monitor = {}) const = 0;

  /// The rows as they were added, bit for bit where float32 or bits are kept, else as their type rounds them; under
  /// pearson centred, under hellinger the squares of their roots.
  virtual Matrix<float> reconstruct(std::span<const int64_t> ids) const = 0;
  virtual Matrix<uint8_t> reconstruct_bits(std::span<const int64_t> ids) const = 0;

  /// Ids of the live items in the order of their addition.
  virtual Matrix<int64_t> ids() const = 0;
  virtual int64_t size() const = 0;
  virtual IndexInfo info() const = 0;
  virtual void set_params(const SearchParams& params) = 0;  ///< zeros leave a default as it is

  /// Replaces `path` in one step, with `note` (any UTF-8 text) inside: a kill leaves the old file or the new one.
  virtual void save(const std::string& path, const std::string& note = "") const = 0;

  /// The text that the file was saved with.
  virtual std::string note() const = 0;

  /// Checks what a mapped load has not: throws FormatError where the vectors are damaged.
  virtual void verify() const = 0;
};

}  // namespace pictrieve
