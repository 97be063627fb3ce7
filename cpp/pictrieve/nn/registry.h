// The networks by name. A new one is one file with a function that describes its family, and one line in registry.cpp.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pictrieve/nn/key_map.h"
#include "pictrieve/nn/modules.h"
#include "pictrieve/nn/network_config.h"

namespace pictrieve {

/// Networks that share one definition. `variants` are the known members ("resnet50") with the settings they differ in;
/// the family's own name with a full configuration makes any other.
template <class Module>
struct Family {
  std::string name;
  std::map<std::string, NetworkConfig> variants;
  std::shared_ptr<Module> (*make)(const NetworkConfig& config);
  /// How other libraries name the same parameters; the first whose mark a file bears is taken. None: only our names.
  std::vector<Layout> layouts{};

  /// What `make` and the layouts' rules are given: `config` over the settings of the variant.
  NetworkConfig settings(const std::string& architecture, const NetworkConfig& config) const {
    const auto variant = variants.find(architecture);
    return variant == variants.end() ? config : config.with_defaults(variant->second);
  }
};
using ImageFamily = Family<ImageModule>;
using TextFamily = Family<TextModule>;

/// The family that has this name, or this variant. std::invalid_argument lists the known names.
const ImageFamily& image_family(const std::string& architecture);
const TextFamily& text_family(const std::string& architecture);

/// The module with uninitialised parameters: settings of `config` override those of the variant. Throws
/// std::invalid_argument for an unknown architecture and for settings that make no network.
std::shared_ptr<ImageModule> make_image_module(const std::string& architecture, const NetworkConfig& config = {});
std::shared_ptr<TextModule> make_text_module(const std::string& architecture, const NetworkConfig& config = {});

}  // namespace pictrieve
