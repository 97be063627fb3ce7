// The image networks by name. A new one is one file and one line here.
#pragma once

#include <memory>
#include <string>

#include "pictrieve/nn/image_module.h"

namespace pictrieve {

/// The module with uninitialised parameters. Throws std::invalid_argument that lists the known names.
std::shared_ptr<ImageModule> make_image_module(const std::string& architecture);

}  // namespace pictrieve
