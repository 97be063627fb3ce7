// Several interests found in what somebody liked.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "pictrieve/base/matrix.h"
#include "pictrieve/base/parallel.h"

namespace pictrieve {

struct SphericalClusters {
  Matrix<float> centres;        ///< (k, dim), of length 1
  std::vector<int64_t> labels;  ///< of each row
  double similarity = 0.0;      ///< weighted mean cosine of rows to their centres
};

/// Spherical k-means (Dhillon & Modha 2001) of rows of length 1 with weights above 0: seeds are drawn as k-means++
/// draws them, the best of several starts wins. There may be fewer clusters than asked for, where rows repeat. Equal
/// seeds give equal clusters whatever the number of threads.
SphericalClusters spherical_kmeans(MatrixView<const float> rows, std::span<const double> weights, int64_t count,
                                   uint64_t seed, const Monitor& monitor = {});

/// Mean silhouette (Rousseeuw 1987) under 1 - cosine, weighted: near 1 where clusters are apart, near 0 where one group
/// was cut in pieces. A row alone in its cluster counts 0, as there.
double silhouette(MatrixView<const float> rows, std::span<const double> weights, std::span<const int64_t> labels);

}  // namespace pictrieve
