// Private: vectors as they were added, in float32.
#pragma once

#include "pictrieve/index/rows/lengths.h"
#include "pictrieve/index/rows/rough_rows.h"
#include "pictrieve/index/rows/row_array.h"
#include "pictrieve/index/rows/rows.h"

namespace pictrieve {

class FloatRows final : public Rows {
 public:
  FloatRows(int64_t dim, Metric metric) : metric_(metric), vectors_(dim) {}

  int64_t dim() const { return vectors_.width(); }
  const float* row(int64_t i) const { return vectors_.row(i); }
  const Lengths& lengths() const { return lengths_; }  ///< empty where the metric has no use for them

  int64_t size() const override { return vectors_.rows(); }
  int64_t bytes() const override { return vectors_.bytes() + rough_.bytes(); }
  Metric metric() const override { return metric_; }
  void append(VectorsView rows) override;
  std::unique_ptr<Rows> copy() const override { return std::make_unique<FloatRows>(*this); }
  void truncate(int64_t rows) override;
  void keep(std::span<const int32_t> order) override;
  void decode(int64_t row, void* out) const override;
  std::unique_ptr<Comparer> comparer() const override;
  KeySlack slack(const Query& query) const override;
  const ProductView* products() const override { return is_product(metric_) ? lengths_.view() : nullptr; }
  const float* block(int64_t first, int64_t, float*) const override { return row(first); }
  /// Codes for a first pass, if rows and kernels suit and enough queries have come, `queries` more with this call.
  const RoughRows* rough(int64_t queries, const Monitor& monitor) const;
  void save(SectionWriter& file) const override;
  void load(const SectionReader& file, int64_t rows) override;

 private:
  Metric metric_;
  RowArray<float> vectors_;
  Lengths lengths_;
  RoughCopy rough_;
};

/// How far keys of BLAS and of the kernels may be from the exact ones: rounding errors of a sum of dim products grow
/// with sqrt(dim) (Higham, Accuracy and Stability of Numerical Algorithms, 2.8 and 3.1), taken with a margin.
KeySlack rounding_slack(Metric metric, int64_t dim, const Query& query, float longest);

}  // namespace pictrieve
