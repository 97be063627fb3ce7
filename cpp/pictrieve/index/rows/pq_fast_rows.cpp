#include "pictrieve/index/rows/pq_fast_rows.h"

#include <hwy/cache_control.h>

#include <algorithm>
#include <cmath>

#include "pictrieve/index/distance/pq_kernels.h"
#include "pictrieve/index/file/sections.h"
#include "pictrieve/index/rows/codebook_comparer.h"

namespace pictrieve {
namespace {

int64_t blocks_for(int64_t rows) { return (rows + kBlockRows - 1) / kBlockRows; }

class PqFastComparer final : public CodebookComparer {
 public:
  explicit PqFastComparer(const PqFastRows& rows) : CodebookComparer(rows), rows_(rows), m_(rows.codebook().m()) {}

  void prefetch(int32_t row) const override {
    const uint8_t* block = rows_.blocks() + row / kBlockRows * packed_block_bytes(m_);
    for (int64_t i = 0; i < packed_block_bytes(m_); i += 64) hwy::Prefetch(block + i);
  }

  /// Keys come from a table rounded to steps, scores from the table itself: per code wrong by up to half a step, evenly
  /// spread. Two standard deviations of their sum lose next to nothing, where its bound would keep most rows.
  float key_error() const override {
    const float error = 2 * table_.scale * std::sqrt(static_cast<float>(m_) / 12);
    if (rows_.metric() == Metric::InnerProduct) return error;
    // Under cosine, products are divided by lengths of about 1.
    return rows_.metric() == Metric::L2 ? 2 * error : error * query().inverse;
  }

 private:
  void take_table(const std::vector<float>& table) override { table_ = packed_table(table.data(), m_); }

  void products_of(std::span<const int32_t> rows, float* out) const override {
    sum({rows_.blocks(), rows.data(), 0, static_cast<int64_t>(rows.size())}, out);
  }

  void products_of_block(int64_t first, int64_t count, float* out) const override {
    sum({rows_.blocks(), nullptr, first, count}, out);
  }

  void sum(const PackedRows& list, float* out) const {
    sums_.resize(std::max(sums_.size(), static_cast<size_t>(list.count)));
    packed_sums(table_, list, sums_.data());
    packed_keys(table_, {sums_.data(), static_cast<size_t>(list.count)}, out);
  }

  const PqFastRows& rows_;
  int64_t m_;
  PackedTable table_;
  mutable std::vector<uint16_t> sums_;
};

}  // namespace

PqFastRows::PqFastRows(int64_t dim, int64_t m, Metric metric)
    : CodebookRows(dim, m, 16, metric), blocks_(packed_block_bytes(m)) {}

std::unique_ptr<Comparer> PqFastRows::comparer() const { return std::make_unique<PqFastComparer>(*this); }

void PqFastRows::codes_of(int64_t row, uint8_t* codes) const {
  unpack_codes(blocks_.data(), row, 1, codebook().m(), codes);
}

void PqFastRows::append_codes(const uint8_t* codes, int64_t count) {
  blocks_.extend(blocks_for(size() + count) - blocks_.rows());  // of nothing, where only a copy of mapped blocks is due
  pack_codes(codes, count, codebook().m(), size(), const_cast<uint8_t*>(blocks_.data()));
}

void PqFastRows::truncate_codes(int64_t rows) { blocks_.truncate(blocks_for(rows)); }

void PqFastRows::keep_codes(std::span<const int32_t> order) {
  const int64_t m = codebook().m();
  RowArray<uint8_t> kept(blocks_.width());
  uint8_t* to = kept.extend(blocks_for(static_cast<int64_t>(order.size())));
  std::vector<uint8_t> codes(static_cast<size_t>(m));
  for (size_t i = 0; i < order.size(); ++i) {
    codes_of(order[i], codes.data());
    pack_codes(codes.data(), 1, m, static_cast<int64_t>(i), to);
  }
  blocks_ = std::move(kept);
}

void PqFastRows::save_codes(SectionWriter& file) const { file.borrow(SectionKind::Codes, blocks_.all()); }

void PqFastRows::load_codes(const SectionReader& file, int64_t rows) {
  file.read_rows(SectionKind::Codes, blocks_for(rows), blocks_);
}

}  // namespace pictrieve
