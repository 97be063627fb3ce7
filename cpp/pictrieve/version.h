// The version of this library, as pyproject.toml states it.
#pragma once

namespace pictrieve {

const char* version();

}  // namespace pictrieve
