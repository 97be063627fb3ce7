// Private: product-quantised rows of m bytes each.
#pragma once

#include "pictrieve/index/rows/codebook_rows.h"
#include "pictrieve/index/rows/row_array.h"

namespace pictrieve {

class PqRows final : public CodebookRows {
 public:
  PqRows(int64_t dim, int64_t m, Metric metric) : CodebookRows(dim, m, 256, metric), codes_(m) {}

  const RowArray<uint8_t>& codes() const { return codes_; }
  std::unique_ptr<Rows> copy() const override { return std::make_unique<PqRows>(*this); }
  std::unique_ptr<Comparer> comparer() const override;
  void codes_of(int64_t row, uint8_t* codes) const override;

 private:
  int64_t code_bytes() const override { return codes_.bytes(); }
  void append_codes(const uint8_t* codes, int64_t count) override;
  void truncate_codes(int64_t rows) override { codes_.truncate(rows); }
  void keep_codes(std::span<const int32_t> order) override { codes_.keep(order); }
  void save_codes(SectionWriter& file) const override;
  void load_codes(const SectionReader& file, int64_t rows) override;

  RowArray<uint8_t> codes_;
};

}  // namespace pictrieve
