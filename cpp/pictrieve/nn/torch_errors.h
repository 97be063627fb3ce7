// Torch's exceptions as ours.
#pragma once

#include <c10/util/Exception.h>

#include <string>

#include "pictrieve/base/error.h"

namespace pictrieve {

/// The result of `make`; Torch's exceptions are told in one line, without their stack trace.
template <typename Make>
auto without_torch_errors(const std::string& subject, const Make& make) {
  try {
    return make();
  } catch (const c10::Error& error) {
    throw Error(message(subject, ": ", error.what_without_backtrace()));
  }
}

}  // namespace pictrieve
