#include "pictrieve/version.h"

namespace pictrieve {

const char* version() { return PICTRIEVE_VERSION; }

}  // namespace pictrieve
