// Progress and Ctrl-C for native loops.
#pragma once

#include <pybind11/pybind11.h>

#include "pictrieve/base/parallel.h"

namespace pictrieve::bindings {

/// A monitor that answers Ctrl-C and, where `progress` is not None, calls progress(done, total). It is called without
/// the GIL on the thread that entered the binding, and takes it for the moment of the call. An exception raised in
/// Python (KeyboardInterrupt among them) travels through the core as it is. `progress` must outlive the monitor.
inline Monitor python_monitor(const pybind11::object& progress) {
  return [&progress](int64_t done, int64_t total) {
    const pybind11::gil_scoped_acquire held;
    if (PyErr_CheckSignals() != 0) throw pybind11::error_already_set();
    if (!progress.is_none()) progress(done, total);
  };
}

}  // namespace pictrieve::bindings
