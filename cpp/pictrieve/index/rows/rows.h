// Private: the vectors of an index, in whatever type they are kept, and how a query is compared with them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "pictrieve/base/matrix.h"
#include "pictrieve/base/parallel.h"
#include "pictrieve/index/distance/metric.h"
#include "pictrieve/index/vectors.h"

namespace pictrieve {

class SectionReader;
class SectionWriter;

/// A vector to compare with, prepared as the rows are, and what is known of it.
struct Query {
  const float* values = nullptr;
  const uint8_t* bits = nullptr;  ///< instead of values, where rows are bits
  float squared = 0;              ///< squared length
  float inverse = 0;              ///< 1 / length, or 0
  int64_t number = 0;             ///< place in its batch
  const float* coarse = nullptr;  ///< what Structure::coarse() gave for it, if asked
};

/// Compares one query at a time with rows. A key is quick and orders candidates (larger is better); a score is what
/// users see. For one thread; not to be used across a change of the rows.
class Comparer {
 public:
  virtual ~Comparer() = default;

  /// Compares with this query from now on; what it points to must stay.
  virtual void set_query(const Query& query) = 0;
  /// Compares with one of the rows themselves.
  virtual void set_row(int32_t row) = 0;

  /// Keys of rows anywhere, and of `count` rows that lie one after another.
  virtual void keys(std::span<const int32_t> rows, float* out) const = 0;
  virtual void keys_of_block(int64_t first, int64_t count, float* out) const = 0;

  /// As exact as these rows allow, and the same whatever was asked before or beside.
  virtual void scores(std::span<const int32_t> rows, float* out) const = 0;
  virtual void prefetch(int32_t row) const = 0;

  /// How far the keys of this query may be from its scores' where that depends on what set_query() made of it; added to
  /// what Rows::slack() gives.
  virtual float key_error() const { return 0; }

  /// Added to inner products: rows that hold the rest after a centroid was taken away lack its product with the query.
  virtual void set_offset(float /*product*/) {}
};

/// How far keys may be from those that scores would give: absolute + relative * |key|.
struct KeySlack {
  float absolute = 0;
  float relative = 0;
};

/// What can be computed from inner products and lengths: such rows serve queries by BLAS. All spans have an entry a
/// row.
struct ProductView {
  std::span<const float> squared;  ///< squared lengths
  std::span<const float> inverse;  ///< 1 / length, or 0
};

/// Rows are numbered in the order of their addition; a deleted row stays until keep() drops it.
class Rows {
 public:
  virtual ~Rows() = default;

  virtual int64_t size() const = 0;
  virtual int64_t bytes() const = 0;
  /// What rows are compared by: a base metric.
  virtual Metric metric() const = 0;

  /// Learns what encoding needs, from rows like those to come. Called once, before the first append.
  virtual void train(MatrixView<const float> /*sample*/, uint64_t /*seed*/, const Monitor& /*monitor*/) {}
  /// Rows that train() needs at least.
  virtual int64_t least_for_training() const { return 0; }

  /// Centroids of lists, which rows may be kept relative to: called before train() and load() where there are any.
  virtual void set_centres(std::shared_ptr<const Matrix<float>> /*centres*/) {}
  /// What append() of these rows needs and can be computed while searches go on. `nearest` has the number of each row's
  /// centroid where there are any. Each append() follows such a call.
  virtual void prepare(VectorsView /*rows*/, std::span<const int32_t> /*nearest*/, const Monitor& /*monitor*/) {}

  /// Puts checked, prepared rows at the end. After a throw, truncate() to the rows before.
  virtual void append(VectorsView rows) = 0;
  virtual void truncate(int64_t rows) = 0;
  /// Another of the same rows, which shares their memory until either changes.
  virtual std::unique_ptr<Rows> copy() const = 0;
  /// Row i becomes the old row order[i]; others are dropped.
  virtual void keep(std::span<const int32_t> order) = 0;

  /// The row as float32, rounded as its type has it; for bits, its bytes.
  virtual void decode(int64_t row, void* out) const = 0;

  virtual std::unique_ptr<Comparer> comparer() const = 0;
  virtual KeySlack slack(const Query& query) const = 0;

  /// Null data where keys do not come from products; then `block` is never called.
  virtual const ProductView* products() const { return nullptr; }
  /// `count` rows as float32, where they lie or decoded into `buffer`.
  virtual const float* block(int64_t /*first*/, int64_t /*count*/, float* buffer) const { return buffer; }

  virtual void save(SectionWriter& file) const = 0;
  virtual void load(const SectionReader& file, int64_t rows) = 0;
};

}  // namespace pictrieve
