// Private: 8-bit codes beside float rows, from which a first pass over a batch tells what cannot be near.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "pictrieve/index/distance/rough_products.h"
#include "pictrieve/index/rows/row_array.h"
#include "pictrieve/index/rows/rows.h"

namespace pictrieve {

class FloatRows;

/// Codes of rows, or for cosine of rows of length 1, after their part along the rows' mean was taken away: vectors of
/// networks often share most of their length, which then costs the codes no accuracy. See Note [bound of rough
/// products].
class RoughRows {
 public:
  explicit RoughRows(const FloatRows& rows);

  int64_t size() const { return codes_.rows(); }
  int64_t width() const { return codes_.width(); }
  int64_t bytes() const { return codes_.bytes() + size() * static_cast<int64_t>(sizeof(RoughRow)); }
  const uint8_t* codes(int64_t row) const { return codes_.row(row); }  ///< kTileRows can be read anywhere
  const RoughRow* rows() const { return rows_.data(); }
  const std::vector<float>& direction() const { return direction_; }

  /// Rows that the direction is the mean of: of many more than these, another might be better.
  int64_t rows_of_direction() const { return rows_of_direction_; }

  /// Encodes what came after the last row. After a throw (of the monitor) the rows are as before.
  void grow(const FloatRows& rows, const Monitor& monitor);
  void truncate(int64_t rows);

 private:
  void encode(const FloatRows& rows, int64_t row, std::vector<float>& rest, std::vector<float>& decoded);

  RowArray<uint8_t> codes_;
  std::vector<RoughRow> rows_;
  std::vector<float> direction_;  ///< of length 1, or zeros
  int64_t rows_of_direction_;
};

/// The codes of some rows, made when batches of queries come that they serve. A copy of the rows makes its own.
class RoughCopy {
 public:
  RoughCopy() = default;
  RoughCopy(const RoughCopy&) {}
  RoughCopy& operator=(const RoughCopy&) = delete;

  /// Codes of all rows; null while too few queries have come to be worth them. Valid until the rows change.
  const RoughRows* codes(const FloatRows& rows, int64_t queries, const Monitor& monitor) const;
  int64_t bytes() const;

  /// For the rows' changes, during which nobody reads.
  void truncate(int64_t rows);
  void drop();

 private:
  mutable std::mutex mutex_;
  mutable std::unique_ptr<RoughRows> codes_;
  mutable int64_t queries_ = 0;  ///< that came so far
};

}  // namespace pictrieve
