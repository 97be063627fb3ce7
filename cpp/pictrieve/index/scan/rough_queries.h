// Private: queries as codes, packed for the kernels of rough products.
#pragma once

#include <span>
#include <vector>

#include "pictrieve/index/rows/float_rows.h"

namespace pictrieve {

class RoughQueries {
 public:
  RoughQueries(const FloatRows& rows, const RoughRows& rough, int limit, std::span<const Query> queries);

  int64_t groups() const { return static_cast<int64_t>(start_.size()) / kGroup; }
  const int8_t* codes(int64_t group) const { return codes_.data() + group * kGroup * width_; }
  const int32_t* start(int64_t group) const { return start_.data() + group * kGroup; }
  RoughLanes lanes(int64_t group) const;

  /// From now on only rows whose key can be as large as this are of interest.
  void raise_floor(size_t query, float key);
  float floor(size_t query) const { return floor_[query]; }  ///< in the unit of bounds

 private:
  void encode(const RoughRows& rough, int limit, size_t number);

  std::span<const Query> queries_;
  Metric metric_;
  int64_t width_;
  float longest_;  ///< of the rows that codes stand for
  float rounding_;
  std::vector<int8_t> codes_;
  std::vector<int32_t> start_;
  std::vector<float> unit_;
  std::vector<float> along_, one_, error_, length_, floor_;
};

}  // namespace pictrieve
