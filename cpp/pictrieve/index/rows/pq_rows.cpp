#include "pictrieve/index/rows/pq_rows.h"

#include <hwy/cache_control.h>

#include "pictrieve/index/distance/pq_kernels.h"
#include "pictrieve/index/file/sections.h"
#include "pictrieve/index/rows/codebook_comparer.h"

namespace pictrieve {
namespace {

class PqComparer final : public CodebookComparer {
 public:
  explicit PqComparer(const PqRows& rows) : CodebookComparer(rows), codes_(rows.codes()) {}

  void prefetch(int32_t row) const override {
    for (int64_t i = 0; i < codes_.width(); i += 64) hwy::Prefetch(codes_.row(row) + i);
  }

 private:
  void take_table(const std::vector<float>& table) override { table_ = table.data(); }

  void products_of(std::span<const int32_t> rows, float* out) const override {
    const int64_t m = codes_.width();
    pq_products(table_, m, {codes_.data(), m, rows.data(), 0, static_cast<int64_t>(rows.size())}, out);
  }

  void products_of_block(int64_t first, int64_t count, float* out) const override {
    const int64_t m = codes_.width();
    pq_products(table_, m, {codes_.data(), m, nullptr, first, count}, out);
  }

  const RowArray<uint8_t>& codes_;
  const float* table_ = nullptr;
};

}  // namespace

std::unique_ptr<Comparer> PqRows::comparer() const { return std::make_unique<PqComparer>(*this); }

void PqRows::codes_of(int64_t row, uint8_t* codes) const { std::copy_n(codes_.row(row), codes_.width(), codes); }

void PqRows::append_codes(const uint8_t* codes, int64_t count) {
  std::copy_n(codes, count * codes_.width(), codes_.extend(count));
}

void PqRows::save_codes(SectionWriter& file) const { file.borrow(SectionKind::Codes, codes_.all()); }

void PqRows::load_codes(const SectionReader& file, int64_t rows) { file.read_rows(SectionKind::Codes, rows, codes_); }

}  // namespace pictrieve
