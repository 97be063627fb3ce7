// Private: vectors rounded to 16-bit floats.
#pragma once

#include "pictrieve/index/distance/half_kernels.h"
#include "pictrieve/index/rows/lengths.h"
#include "pictrieve/index/rows/row_array.h"
#include "pictrieve/index/rows/rows.h"

namespace pictrieve {

/// T is Float16 or BFloat16. Queries are rounded too, so that a vector finds itself at a distance of exactly 0, a
/// cosine of exactly 1; one that Float16 cannot hold stays as it is, since no row equals it.
template <typename T>
class HalfRows final : public Rows {
 public:
  HalfRows(int64_t dim, Metric metric) : metric_(metric), vectors_(dim) {}

  int64_t dim() const { return vectors_.width(); }
  const T* row(int64_t i) const { return vectors_.row(i); }
  const Lengths& lengths() const {
    return lengths_;
  }  ///< of the rounded rows; empty where the metric has no use for them

  int64_t size() const override { return vectors_.rows(); }
  int64_t bytes() const override { return vectors_.bytes(); }
  Metric metric() const override { return metric_; }
  void append(VectorsView rows) override;
  std::unique_ptr<Rows> copy() const override { return std::make_unique<HalfRows>(*this); }
  void truncate(int64_t rows) override;
  void keep(std::span<const int32_t> order) override;
  void decode(int64_t row, void* out) const override;
  std::unique_ptr<Comparer> comparer() const override;
  KeySlack slack(const Query& query) const override;
  const ProductView* products() const override { return is_product(metric_) ? lengths_.view() : nullptr; }
  const float* block(int64_t first, int64_t count, float* buffer) const override;
  void save(SectionWriter& file) const override;
  void load(const SectionReader& file, int64_t rows) override;

 private:
  Metric metric_;
  RowArray<T> vectors_;
  Lengths lengths_;
};

}  // namespace pictrieve
