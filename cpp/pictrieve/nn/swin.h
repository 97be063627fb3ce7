// How other libraries name the parameters of Swin transformers.
#pragma once

#include <vector>

#include "pictrieve/nn/key_map.h"

namespace pictrieve {

std::vector<Layout> swin_layouts();

}  // namespace pictrieve
