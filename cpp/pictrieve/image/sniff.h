// Which format bytes are in, by their first few.
#pragma once

#include <cstdint>
#include <span>

#include "pictrieve/image/header.h"

namespace pictrieve {

/// Throws DecodeError, saying what the bytes look like, unless they start like a supported format.
PictureFormat sniff_format(std::span<const uint8_t> bytes);

}  // namespace pictrieve
