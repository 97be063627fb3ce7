// Private: lengths of rows, beside the rows themselves.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "pictrieve/index/distance/kernels.h"
#include "pictrieve/index/rows/rows.h"

namespace pictrieve {

/// 1 / length; 0 for a row of zeros (and what is as good as zero), whose cosine with anything is then 0.
inline float inverse_length(float squared_length) {
  return squared_length >= std::numeric_limits<float>::min() ? 1.0F / std::sqrt(squared_length) : 0.0F;
}

class Lengths {
 public:
  const ProductView* view() const { return &view_; }
  float squared(int64_t row) const { return squared_[static_cast<size_t>(row)]; }
  float inverse(int64_t row) const { return inverse_[static_cast<size_t>(row)]; }
  float longest() const { return longest_; }  ///< of all rows there have been

  void save(SectionWriter& file) const;
  void load(const SectionReader& file, int64_t rows);

  void append(float squared) {
    squared_.push_back(squared);
    inverse_.push_back(inverse_length(squared));
    longest_ = std::max(longest_, std::sqrt(squared));
    view_ = {squared_, inverse_};
  }

  void truncate(int64_t rows) {
    squared_.resize(std::min(squared_.size(), static_cast<size_t>(rows)));
    inverse_.resize(squared_.size());
    view_ = {squared_, inverse_};
  }

  void keep(std::span<const int32_t> order) {
    const std::vector<float> old = std::move(squared_);
    squared_.clear();
    inverse_.clear();
    for (const int32_t row : order) append(old[static_cast<size_t>(row)]);
    view_ = {squared_, inverse_};
  }

 private:
  std::vector<float> squared_;
  std::vector<float> inverse_;
  float longest_ = 0;
  ProductView view_;
};

/// Squared lengths of all rows. Throws naming the first row with NaN, infinity or a length past float32.
std::vector<float> checked_squared_lengths(MatrixView<const float> rows, const char* name);

}  // namespace pictrieve
