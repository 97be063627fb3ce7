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

namespace pictrieve {

struct IndexOptions {
  int64_t dim = 0;                ///< numbers in a row
  std::string metric = "cosine";  ///< cosine, ip or l2
  std::string factory = "Flat";   ///< "Flat" compares with every row; "HNSW<M>" walks a graph of M links a row
  uint64_t seed = 0;              ///< of the graph's random levels; with one thread a seed gives one graph
  int ef_construction = 200;      ///< candidates while a row is linked: more is slower to build, better to search
};

/// Which items a search may return; decided before anything is scored. Without ids and mask, all of them.
struct Filter {
  std::optional<std::span<const int64_t>> ids;   ///< allowed ids; unknown ones match nothing
  std::optional<std::span<const uint8_t>> mask;  ///< non-zero at i allows the i-th of Index::ids()
};

struct SearchOptions {
  Filter where;
  std::optional<float> min_score;     ///< drop what scores less; the result then carries offsets
  int ef_search = 0;                  ///< candidates of a graph search; 0 takes the index's default
  bool exact = false;                 ///< compare with every row even where there is a graph
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
  int ef_search = 0;
  int64_t removed = 0;  ///< rows that are deleted but still take up space
  int64_t bytes_vectors = 0;
  int64_t bytes_graph = 0;
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
  virtual void add(MatrixView<const float> rows, std::span<const int64_t> ids, bool replace,
                   const Monitor& monitor = {}) = 0;

  /// Deletes what is present of `ids` and returns how many those were.
  virtual int64_t remove(std::span<const int64_t> ids) = 0;

  /// The monitor hears of searches that take more than some milliseconds.
  virtual SearchResult search(MatrixView<const float> queries, int64_t k, const SearchOptions& options = {},
                              const Monitor& monitor = {}) const = 0;

  /// All items that score at least `threshold`, exactly; the result carries offsets.
  virtual SearchResult range_search(MatrixView<const float> queries, float threshold, const Filter& where = {},
                                    const Monitor& monitor = {}) const = 0;

  /// The rows as they were added, bit for bit.
  virtual Matrix<float> reconstruct(std::span<const int64_t> ids) const = 0;

  /// Ids of the live items in the order of their addition.
  virtual Matrix<int64_t> ids() const = 0;
  virtual int64_t size() const = 0;
  virtual IndexInfo info() const = 0;
  virtual void set_ef_search(int ef_search) = 0;

  /// Replaces `path` in one step, with `note` (any UTF-8 text) inside: a kill leaves the old file or the new one.
  virtual void save(const std::string& path, const std::string& note = "") const = 0;

  /// The text that the file was saved with.
  virtual std::string note() const = 0;

  /// Checks what a mapped load has not: throws FormatError where the vectors are damaged.
  virtual void verify() const = 0;
};

}  // namespace pictrieve
