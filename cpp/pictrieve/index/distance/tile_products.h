// Private: byte products by the matrix instructions of Intel's AMX.
#pragma once

#include "pictrieve/index/distance/rough_products.h"

namespace pictrieve {

/// Whether this processor has them and the system lets this process use them, which has to be asked for.
bool has_tile_products();

void tile_products(const RoughTile& tile, int32_t* out);

}  // namespace pictrieve
