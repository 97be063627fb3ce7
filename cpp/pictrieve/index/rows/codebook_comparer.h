// Private: what comparing with codes of 8 and of 4 bits has in common.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "pictrieve/index/rows/codebook_rows.h"

namespace pictrieve {

/// Keys are the codes' products with the query plus, under lists, the product of the row's centroid, turned into what
/// the metric wants.
class CodebookComparer : public Comparer {
 public:
  explicit CodebookComparer(const CodebookRows& rows);

  void set_query(const Query& query) final;
  void set_row(int32_t row) final;
  void keys(std::span<const int32_t> rows, float* out) const final;
  void keys_of_block(int64_t first, int64_t count, float* out) const final;
  void scores(std::span<const int32_t> rows, float* out) const final {
    std::transform(rows.begin(), rows.end(), out, [this](int32_t row) { return score(row); });
  }
  void set_offset(float product) final { offset_ = product; }

 protected:
  const Query& query() const { return query_; }
  /// Fits products_of() and products_of_block() to `table`, of (m, points) products with the query.
  virtual void take_table(const std::vector<float>& table) = 0;
  virtual void products_of(std::span<const int32_t> rows, float* out) const = 0;
  virtual void products_of_block(int64_t first, int64_t count, float* out) const = 0;

 private:
  float score(int32_t row) const;
  float centre_product(int64_t row) const;
  void add_centres(const int32_t* rows, int64_t first, int64_t count, float* out) const;

  const CodebookRows& rows_;
  Query query_;
  std::vector<float> table_;
  mutable std::vector<uint8_t> codes_;          ///< of the row that is scored
  std::vector<float> as_query_;                 ///< holds the row of set_row()
  std::optional<float> offset_;                 ///< of all rows, while a list is visited
  mutable std::vector<float> centre_products_;  ///< of all centroids, once rows of any list are asked for
};

}  // namespace pictrieve
