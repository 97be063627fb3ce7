// Private: building a graph over codes of its rows.
#pragma once

#include <memory>

#include "pictrieve/index/rows/rows.h"

namespace pictrieve {

/// 8-bit codes of all rows, to link many new ones by: a build waits for memory, and codes are a quarter of it. Null
/// where rows are not float32, are few or short, where the metric does not come from products, or where codes do not
/// tell neighbours apart as the rows do (which is measured on some of them).
std::unique_ptr<Rows> codes_for_building(const Rows& rows, int64_t new_rows);

}  // namespace pictrieve
