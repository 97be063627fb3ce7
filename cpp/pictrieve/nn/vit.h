// What the families of vision transformers share: one definition, and how other libraries name its parameters.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "pictrieve/nn/key_map.h"
#include "pictrieve/nn/modules.h"

namespace pictrieve {

/// vit.cpp lists the settings.
std::shared_ptr<ImageModule> make_vit(const NetworkConfig& config);

std::vector<Layout> vit_layouts();
std::vector<Layout> dinov2_layouts();
std::vector<Layout> clip_vision_layouts();
std::vector<Layout> siglip_vision_layouts();

}  // namespace pictrieve
