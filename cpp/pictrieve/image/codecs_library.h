// Loads the library of decoders.
#pragma once

#include "pictrieve/image/codecs/codec_table.h"

namespace pictrieve {

/// The decoders, loaded at the first call (thread-safe) from libpictrieve_codecs.so beside the library or program that
/// holds this function. Throws Error where it is missing.
const CodecTable& codec_table();

}  // namespace pictrieve
