// Private: packed bits that a user brings, such as perceptual hashes.
#pragma once

#include "pictrieve/index/rows/row_array.h"
#include "pictrieve/index/rows/rows.h"

namespace pictrieve {

/// Compared by Hamming distance or Jaccard similarity. Keys are the scores.
class BitRows final : public Rows {
 public:
  /// `dim` counts bits, a multiple of 8.
  BitRows(int64_t dim, Metric metric) : metric_(metric), bits_(dim / 8) {}

  const RowArray<uint8_t>& bits() const { return bits_; }

  int64_t size() const override { return bits_.rows(); }
  int64_t bytes() const override { return bits_.bytes(); }
  Metric metric() const override { return metric_; }
  void append(VectorsView rows) override;
  std::unique_ptr<Rows> copy() const override { return std::make_unique<BitRows>(*this); }
  void truncate(int64_t rows) override { bits_.truncate(rows); }
  void keep(std::span<const int32_t> order) override { bits_.keep(order); }
  void decode(int64_t row, void* out) const override;
  std::unique_ptr<Comparer> comparer() const override;
  KeySlack slack(const Query&) const override { return {}; }
  void save(SectionWriter& file) const override;
  void load(const SectionReader& file, int64_t rows) override;

 private:
  Metric metric_;
  RowArray<uint8_t> bits_;
};

}  // namespace pictrieve
