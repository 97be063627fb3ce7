// The safetensors format: an 8-byte length, a JSON header, then the bytes of all tensors without gaps.
// Specification: https://huggingface.co/docs/safetensors
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "pictrieve/nn/state_dict.h"

namespace pictrieve {

/// Reads bytes that outlive the result; no tensor is copied unless it is misaligned. FormatError says what is wrong.
StateDict safetensors_from_bytes(std::span<const std::byte> bytes, const std::string& source);

}  // namespace pictrieve
