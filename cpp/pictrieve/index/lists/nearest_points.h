// Private: for each of many rows the nearest of a set of points: what clustering, lists and codebooks spend their time
// on.
#pragma once

#include <cstdint>
#include <vector>

#include "pictrieve/base/matrix.h"
#include "pictrieve/base/parallel.h"

namespace pictrieve {

/// Points to find the nearest of. A row's result depends on nothing else; of equally near points it is the first.
class NearestPoints {
 public:
  enum class By : uint8_t { Product, Distance };  ///< largest inner product, smallest Euclidean distance

  NearestPoints(MatrixView<const float> points, By by);

  /// For `count` rows that begin `stride` numbers apart, on this thread.
  void find(const float* rows, int64_t count, int64_t stride, int32_t* nearest) const;

  /// For all rows, on all threads.
  std::vector<int32_t> of(MatrixView<const float> rows, const Monitor& monitor = {}) const;

 private:
  int64_t dim_;
  int64_t groups_;             ///< of points that are compared at once
  std::vector<float> points_;  ///< per group and dimension one number of each of its points
  std::vector<float> biases_;  ///< added to products; minus infinity where the last group is not full
};

}  // namespace pictrieve
