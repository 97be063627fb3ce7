#include "pictrieve/nn/text_settings.h"

#include "pictrieve/base/error.h"

namespace pictrieve {
namespace {

constexpr int kMostLayers = 1 << 12;
constexpr const char* kSubject = "network configuration: ";

}  // namespace

int layers_of(const NetworkConfig& config, const std::string& name) {
  const int layers = config.size(name);
  require(layers <= kMostLayers, kSubject, name, ": expected at most ", kMostLayers, ", got ", layers);
  return layers;
}

int heads_of(const NetworkConfig& config, const std::string& name, const std::string& width_name) {
  const int heads = config.size(name), width = config.size(width_name);
  require(width % heads == 0, kSubject, "expected ", width_name, " to be a multiple of ", name, ", got ", width,
          " and ", heads);
  return heads;
}

double epsilon_of(const NetworkConfig& config, const std::string& name, double otherwise) {
  const double epsilon = config.number(name, otherwise);
  require(epsilon > 0, kSubject, "expected a positive ", name, ", got ", epsilon);
  return epsilon;
}

double dropout_of(const NetworkConfig& config, const std::string& name, double otherwise) {
  const double dropout = config.number(name, otherwise);
  require(dropout >= 0 && dropout <= 1, kSubject, name, ": expected 0 to 1, got ", dropout);
  return dropout;
}

void refuse(const NetworkConfig& config, const std::string& name, bool value) {
  require(config.flag(name, !value) != value, kSubject, "expected ", name, " to be ", value ? "false" : "true",
          ", got ", value ? "true" : "false", ", which is not supported");
}

}  // namespace pictrieve
