// Private: 8-bit codes that a graph of float rows is built over and walked by.
#pragma once

#include <memory>

#include "pictrieve/index/rows/rows.h"

namespace pictrieve {

/// Codes of all rows: a graph waits for memory, and codes are a quarter of it. The best that a walk finds are then
/// scored by the rows, so results are as exact as before. Null where rows are few or short or not float32, where the
/// metric does not come from products, or where codes do not tell neighbours apart as the rows do, which is measured
/// on some of them each time that the rows have doubled.
std::unique_ptr<Rows> codes_to_walk(const Rows& rows, int64_t rows_before);

}  // namespace pictrieve
