// The distance kernel of float rows that belongs to a metric.
#pragma once

#include "pictrieve/index/distance/histogram_kernels.h"
#include "pictrieve/index/distance/kernels.h"
#include "pictrieve/index/distance/metric.h"

namespace pictrieve {

using FloatKernel = void (*)(const float*, const RowList&, float*);

/// Inner products for the metrics that come from them other than L2.
inline FloatKernel float_kernel_of(Metric metric) {
  switch (metric) {
    case Metric::L2:
      return squared_distances;
    case Metric::L1:
      return l1_distances;
    case Metric::ChiSquare:
      return chi_square_distances;
    case Metric::Intersection:
      return intersections;
    case Metric::Jaccard:
      return jaccard_similarities;
    default:
      return dots;
  }
}

}  // namespace pictrieve
