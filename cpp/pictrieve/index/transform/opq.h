// Private: optimised product quantisation (Ge, He, Ke, Sun, CVPR 2013): a rotation after which parts are coded well.
#pragma once

#include <vector>

#include "pictrieve/base/matrix.h"
#include "pictrieve/index/transform/linear.h"

namespace pictrieve {

/// An order of dimensions, given their variances in descending order, in which m parts have about equal products of
/// variances: the method's parametric solution, and the start of the other.
std::vector<int64_t> balanced_order(const std::vector<double>& variances, int64_t dim, int64_t m);

/// The non-parametric solution: codebook and rotation in turn. Column i is what the i-th number of a row after it is
/// made of.
Square optimised_rotation(MatrixView<const float> rows, int64_t m, uint64_t seed, const Monitor& monitor);

}  // namespace pictrieve
