#include "pictrieve/index/rows/bit_rows.h"

#include <hwy/base.h>
#include <hwy/cache_control.h>

#include <algorithm>

#include "pictrieve/index/distance/bit_kernels.h"
#include "pictrieve/index/file/sections.h"

namespace pictrieve {
namespace {

class BitComparer final : public Comparer {
 public:
  explicit BitComparer(const BitRows& rows) : rows_(rows.bits()), metric_(rows.metric()) {}

  void set_query(const Query& query) override { query_ = query.bits; }
  void set_row(int32_t row) override { query_ = rows_.row(row); }

  void keys(std::span<const int32_t> rows, float* out) const override {
    compare({rows_.data(), rows_.width(), rows.data(), 0, static_cast<int64_t>(rows.size())}, out);
  }

  void keys_of_block(int64_t first, int64_t count, float* out) const override {
    compare({rows_.data(), rows_.width(), nullptr, first, count}, out);
  }

  void scores(std::span<const int32_t> rows, float* out) const override { keys(rows, out); }

  void prefetch(int32_t row) const override { hwy::Prefetch(rows_.row(row)); }

 private:
  void compare(const RowListOf<uint8_t>& list, float* out) const {
    if (metric_ == Metric::Jaccard) return jaccard_bits(query_, list, out);
    hamming_distances(query_, list, out);
    for (int64_t i = 0; i < list.count; ++i) out[i] = 0.0F - out[i];
  }

  const RowArray<uint8_t>& rows_;
  Metric metric_;
  const uint8_t* query_ = nullptr;
};

}  // namespace

void BitRows::append(VectorsView view) {
  const MatrixView<const uint8_t> rows = view.bits("add", bits_.width() * 8);
  std::copy_n(rows.data, rows.size(), bits_.extend(rows.rows));
}

void BitRows::decode(int64_t row, void* out) const {
  std::copy_n(bits_.row(row), bits_.width(), static_cast<uint8_t*>(out));
}

std::unique_ptr<Comparer> BitRows::comparer() const { return std::make_unique<BitComparer>(*this); }

void BitRows::save(SectionWriter& file) const { file.borrow(SectionKind::Bits, bits_.all()); }

void BitRows::load(const SectionReader& file, int64_t rows) { file.read_rows(SectionKind::Bits, rows, bits_); }

}  // namespace pictrieve
