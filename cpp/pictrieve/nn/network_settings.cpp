#include "pictrieve/nn/network_settings.h"

#include "pictrieve/base/error.h"

namespace pictrieve {
namespace {

constexpr const char* kSubject = "network configuration: ";
constexpr int kMostClasses = 1 << 24;
constexpr int kMostCount = 1 << 12;
constexpr size_t kMostStages = 16;
constexpr int kLargestPatch = 1 << 10;

int checked_count(const std::string& name, int count, int most = kMostCount) {
  require(count <= most, kSubject, name, ": expected at most ", most, ", got ", count);
  return count;
}

}  // namespace

int classes_of(const NetworkConfig& config, int otherwise) {
  const int classes = config.integer("num_classes", otherwise);
  require(classes >= 0 && classes <= kMostClasses, kSubject, "num_classes: expected 0 to ", kMostClasses, ", got ",
          classes);
  return classes;
}

int count_of(const NetworkConfig& config, const std::string& name) { return checked_count(name, config.size(name)); }

std::vector<int> counts_of(const NetworkConfig& config, const std::string& name, size_t stages) {
  std::vector<int> counts = config.sizes(name);
  require(counts.size() == stages && stages <= kMostStages, kSubject, name, ": expected ", stages,
          " numbers and at most ", kMostStages, ", got ", counts.size());
  for (const int count : counts) checked_count(name, count);
  return counts;
}

int patch_of(const NetworkConfig& config, int otherwise) {
  return checked_count("patch_size", config.size("patch_size", otherwise), kLargestPatch);
}

int heads_of(const NetworkConfig& config, const std::string& name, const std::string& width_name) {
  const int heads = config.size(name), width = config.size(width_name);
  require(width % heads == 0, kSubject, "expected ", width_name, " to be a multiple of ", name, ", got ", width,
          " and ", heads);
  return heads;
}

double mlp_ratio_of(const NetworkConfig& config) {
  constexpr double kUsual = 4, kMost = 32;
  const double ratio = config.number("mlp_ratio", kUsual);
  require(ratio > 0 && ratio <= kMost, kSubject, "mlp_ratio: expected more than 0, at most ", kMost, ", got ", ratio);
  return ratio;
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
