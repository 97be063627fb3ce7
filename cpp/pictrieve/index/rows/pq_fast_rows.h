// Private: product-quantised rows of 4 bits a code, in blocks of 32 rows that are compared at once.
#pragma once

#include "pictrieve/index/rows/codebook_rows.h"
#include "pictrieve/index/rows/row_array.h"

namespace pictrieve {

class PqFastRows final : public CodebookRows {
 public:
  PqFastRows(int64_t dim, int64_t m, Metric metric);

  const uint8_t* blocks() const { return blocks_.data(); }
  std::unique_ptr<Rows> copy() const override { return std::make_unique<PqFastRows>(*this); }
  std::unique_ptr<Comparer> comparer() const override;
  void codes_of(int64_t row, uint8_t* codes) const override;

 private:
  int64_t code_bytes() const override { return blocks_.bytes(); }
  void append_codes(const uint8_t* codes, int64_t count) override;
  void truncate_codes(int64_t rows) override;
  void keep_codes(std::span<const int32_t> order) override;
  void save_codes(SectionWriter& file) const override;
  void load_codes(const SectionReader& file, int64_t rows) override;

  RowArray<uint8_t> blocks_;  ///< a row of this array is a block of rows
};

}  // namespace pictrieve
