// The ways in which a picture reaches the library, and files as bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "pictrieve/base/image.h"
#include "pictrieve/image/codec.h"

namespace pictrieve {

/// The path of an encoded picture, encoded bytes, or pixels (grey, RGB or RGBA). Spans and views are borrowed.
using ImageSource = std::variant<std::string, std::span<const uint8_t>, ImageView>;

/// A whole file. Throws FileError (missing, a directory, unreadable).
std::vector<uint8_t> read_file(const std::string& path);

/// RGB pixels of any source. A DecodeError names the path where there is one; pixels are copied.
Image decode_source(const ImageSource& source, const DecodeOptions& options = {});

}  // namespace pictrieve
