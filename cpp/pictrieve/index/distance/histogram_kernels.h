// One query against many rows, by absolute differences and by histograms. Dispatched and prefetching as in kernels.h.
#pragma once

#include "pictrieve/index/distance/row_list.h"

namespace pictrieve {

/// out[i] = sum |a - b|. Any finite numbers; the other kernels here take numbers >= 0 only.
void l1_distances(const float* query, const RowList& list, float* out);

/// out[i] = sum (a - b)^2 / (a + b), where an entry that is 0 in both counts 0.
void chi_square_distances(const float* query, const RowList& list, float* out);

/// out[i] = sum min(a, b) (Swain and Ballard, 1991: histogram intersection).
void intersections(const float* query, const RowList& list, float* out);

/// out[i] = sum min(a, b) / sum max(a, b) (Ruzicka's weighted Jaccard similarity); 1 for two rows of zeros.
void jaccard_similarities(const float* query, const RowList& list, float* out);

}  // namespace pictrieve
