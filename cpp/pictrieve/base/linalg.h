// The few vector operations that every layer shares, dispatched at run time to the widest SIMD of this machine.
#pragma once

#include <cstdint>
#include <string>

#include "pictrieve/base/matrix.h"

namespace pictrieve {

float dot(const float* a, const float* b, int64_t dim);

/// Divides each row by its Euclidean length; a row of zeros stays as it is. Rows are summed in a fixed order, so a
/// row's result does not depend on its neighbours.
void l2_normalize_rows(MatrixView<float> rows);

/// True where every number is finite.
bool all_finite(const float* values, int64_t count);

/// The instruction set that the dispatched kernels of this process use, e.g. "AVX3_DL".
std::string simd_target();

}  // namespace pictrieve
