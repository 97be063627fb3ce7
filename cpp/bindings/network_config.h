// Settings of a network, as Python read them from a config.json.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <string>

#include "pictrieve/base/error.h"
#include "pictrieve/nn/network_config.h"

namespace pictrieve::bindings {

/// Numbers, switches, words and lists of whole numbers. A list of words becomes one word with commas between them,
/// settings of a dictionary inside are named "outer.inner"; whatever else a file holds shapes no network and is left
/// out.
inline void add_settings(NetworkConfig& config, const std::string& prefix, const pybind11::dict& values) {
  for (const auto& [key, value] : values) {
    const std::string name = prefix + pybind11::str(key).cast<std::string>();
    if (pybind11::isinstance<pybind11::bool_>(value)) {
      config.set(name, value.cast<bool>());
    } else if (pybind11::isinstance<pybind11::int_>(value)) {
      try {
        config.set(name, value.cast<int64_t>());
      } catch (const pybind11::cast_error&) {
        throw std::invalid_argument(message("network configuration: ", name,
                                            ": expected a whole number of 64 bits, got ",
                                            pybind11::str(value).cast<std::string>()));
      }
    } else if (pybind11::isinstance<pybind11::float_>(value)) {
      config.set(name, value.cast<double>());
    } else if (pybind11::isinstance<pybind11::str>(value)) {
      config.set(name, value.cast<std::string>());
    } else if (pybind11::isinstance<pybind11::dict>(value)) {
      add_settings(config, name + ".", pybind11::reinterpret_borrow<pybind11::dict>(value));
    } else if (pybind11::isinstance<pybind11::sequence>(value)) {
      try {
        config.set(name, value.cast<std::vector<int64_t>>());
      } catch (const pybind11::cast_error&) {
        const bool words = std::all_of(value.begin(), value.end(), pybind11::isinstance<pybind11::str>);
        if (words) config.set(name, pybind11::str(",").attr("join")(value).cast<std::string>());
      }
    }
  }
}

inline NetworkConfig network_config_from_dict(const pybind11::dict& values) {
  NetworkConfig config;
  add_settings(config, "", values);
  return config;
}

}  // namespace pictrieve::bindings
