// Private: vectors as a byte a number, with a scale and an offset a row.
#pragma once

#include <vector>

#include "pictrieve/index/rows/row_array.h"
#include "pictrieve/index/rows/rows.h"

namespace pictrieve {

/// What the codes of a row stand for, offset + scale * code, and what comparing them needs.
struct Int8Row {
  float scale;
  float offset;
  int32_t sum;   ///< of the codes
  float length;  ///< of the decoded row: its inverse under cosine, else its square
};

/// Codes span [-127, 127] between the least and the largest number of a row. The offset is worth its 4 bytes where
/// numbers are not spread about 0: of 10,000 SIFT vectors, rows of symmetric codes find 0.988 of the true ten by L2,
/// these 0.995, and those of FAISS's SQ8 (a range for each dimension, trained) 0.993.
class Int8Rows final : public Rows {
 public:
  Int8Rows(int64_t dim, Metric metric);

  int64_t dim() const { return codes_.width(); }
  const RowArray<int8_t>& codes() const { return codes_; }
  const Int8Row* row(int64_t i) const { return rows_.data() + i; }

  int64_t size() const override { return codes_.rows(); }
  int64_t bytes() const override { return codes_.bytes() + size() * static_cast<int64_t>(sizeof(Int8Row)); }
  Metric metric() const override { return metric_; }
  void append(VectorsView rows) override;
  std::unique_ptr<Rows> copy() const override { return std::make_unique<Int8Rows>(*this); }
  void truncate(int64_t rows) override;
  void keep(std::span<const int32_t> order) override;
  void decode(int64_t row, void* out) const override;
  std::unique_ptr<Comparer> comparer() const override;
  KeySlack slack(const Query& query) const override;
  void save(SectionWriter& file) const override;
  void load(const SectionReader& file, int64_t rows) override;

 private:
  void take_longest(int64_t first);

  Metric metric_;
  RowArray<int8_t> codes_;
  std::vector<Int8Row> rows_;
  float longest_ = 0;  ///< squared length of all rows there have been; not under cosine
};

}  // namespace pictrieve
