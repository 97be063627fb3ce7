// Private: what spares a search most of the rows: a graph, lists, hash tables.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "pictrieve/base/parallel.h"
#include "pictrieve/index/rows/rows.h"
#include "pictrieve/index/scan/candidates.h"

namespace pictrieve {

/// How hard a search tries; what a structure has no use for, it passes over.
struct SearchEffort {
  int64_t count = 0;   ///< candidates wanted
  int64_t ef = 0;      ///< candidates kept by a graph walk
  int64_t nprobe = 0;  ///< lists (buckets) visited
  int64_t least = 0;   ///< candidates that must be found where there are so many
  KeySlack slack;      ///< of the rows' keys for this query
};

/// How new rows should lie beside each other: first rows[order[0]]. Empty where any order will do.
struct Arrangement {
  std::vector<int32_t> order;
  std::vector<int32_t> centres;  ///< the number of the nearest centroid of each row, in the new order
};

/// Runs a function while no search is inside the index.
using Exclusively = std::function<void(const std::function<void()>&)>;

class Structure {
 public:
  virtual ~Structure() = default;

  virtual void train(MatrixView<const float> /*sample*/, uint64_t /*seed*/, const Monitor& /*monitor*/) {}
  virtual int64_t least_for_training() const { return 0; }

  /// Called before each add() with the rows that it will take in.
  virtual Arrangement arrange(MatrixView<const float> /*rows*/, const Monitor& /*monitor*/) { return {}; }
  /// Centroids that rows may be kept relative to, once trained.
  virtual std::shared_ptr<const Matrix<float>> centres() const { return nullptr; }

  /// Takes in the rows from its own size up to rows.size(), searches going on meanwhile except inside `exclusively`.
  /// When the monitor throws, truncate() brings back what was.
  virtual void add(const Rows& rows, const Exclusively& exclusively, const Monitor& monitor) = 0;
  virtual void truncate(int64_t rows) = 0;

  /// The same rows are kept in another type from now on.
  virtual void rows_changed() {}

  /// Row i becomes the old row order[i], which ascend; others are dropped. `rows` are those before the change.
  virtual void keep(std::span<const int32_t> order, const Rows& rows, const Monitor& monitor) = 0;

  /// Where rows have come to lie too far apart: a better order of all of them, for regrouped(). Else empty.
  virtual std::vector<int32_t> regrouping() const { return {}; }
  /// Row i has become the old row regrouping()[i].
  virtual void regrouped() {}
  /// True where keep() costs no more than moving the rows.
  virtual bool keeps_quickly() const { return false; }

  /// What searches of these queries can share: as many numbers for each, for Query::coarse to point to. Or nothing.
  virtual std::vector<float> coarse(std::span<const Query> /*queries*/) const { return {}; }
  virtual bool shares_between_queries() const { return false; }

  /// Rows that may be near, best first or not. With `allowed` (a flag a row) only those. Nothing where a comparison
  /// with all allowed rows is quicker, or where fewer were found than there are.
  virtual std::optional<std::vector<Candidate>> search(Comparer& comparer, const Query& query,
                                                       const SearchEffort& effort, const uint8_t* allowed) const = 0;

  /// Rows that one search compares with, about.
  virtual double cost(const SearchEffort& effort) const = 0;
  virtual int64_t bytes() const = 0;

  virtual void save(SectionWriter& file) const = 0;
  virtual void load(const SectionReader& file, int64_t rows) = 0;
};

}  // namespace pictrieve
