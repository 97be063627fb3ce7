#include "pictrieve/nn/network_config.h"

#include <limits>
#include <sstream>

#include "pictrieve/base/error.h"

namespace pictrieve {
namespace {

constexpr int kMostSize = 1 << 24;

std::string text_of(const NetworkConfig::Setting& setting) {
  std::ostringstream text;
  if (const auto* flag = std::get_if<bool>(&setting)) {
    text << (*flag ? "true" : "false");
  } else if (const auto* list = std::get_if<std::vector<int64_t>>(&setting)) {
    for (const int64_t value : *list) text << (text.str().empty() ? "[" : ", ") << value;
    text << "]";
  } else {
    std::visit(
        [&](const auto& value) {
          if constexpr (requires { text << value; }) text << value;
        },
        setting);
  }
  return text.str();
}

int checked_size(const std::string& name, int64_t value) {
  require(value >= 1 && value <= kMostSize, "network configuration: ", name, ": expected 1 to ", kMostSize, ", got ",
          value);
  return static_cast<int>(value);
}

}  // namespace

NetworkConfig NetworkConfig::with_defaults(const NetworkConfig& defaults) const {
  NetworkConfig all = *this;
  all.settings_.insert(defaults.settings_.begin(), defaults.settings_.end());
  return all;
}

int NetworkConfig::size(const std::string& name) const {
  const auto found = settings_.find(name);
  require(found != settings_.end(), "network configuration: expected a '", name, "', got none");
  const auto* value = std::get_if<int64_t>(&found->second);
  require(value, "network configuration: ", name, ": expected a whole number, got ", text_of(found->second));
  return checked_size(name, *value);
}

int NetworkConfig::integer(const std::string& name, int otherwise) const {
  if (!has(name)) return otherwise;
  const auto* value = std::get_if<int64_t>(&settings_.at(name));
  constexpr int64_t kMost = std::numeric_limits<int>::max();
  require(value && *value >= -kMost && *value <= kMost, "network configuration: ", name,
          ": expected a whole number of 32 bits, got ", text_of(settings_.at(name)));
  return static_cast<int>(*value);
}

double NetworkConfig::number(const std::string& name, double otherwise) const {
  if (!has(name)) return otherwise;
  const Setting& setting = settings_.at(name);
  if (const auto* value = std::get_if<int64_t>(&setting)) return static_cast<double>(*value);
  const auto* value = std::get_if<double>(&setting);
  require(value, "network configuration: ", name, ": expected a number, got ", text_of(setting));
  return *value;
}

bool NetworkConfig::flag(const std::string& name, bool otherwise) const {
  if (!has(name)) return otherwise;
  const auto* value = std::get_if<bool>(&settings_.at(name));
  require(value, "network configuration: ", name, ": expected true or false, got ", text_of(settings_.at(name)));
  return *value;
}

std::string NetworkConfig::word(const std::string& name, const std::string& otherwise) const {
  if (!has(name)) return otherwise;
  const auto* value = std::get_if<std::string>(&settings_.at(name));
  require(value, "network configuration: ", name, ": expected a word, got ", text_of(settings_.at(name)));
  return *value;
}

std::vector<int> NetworkConfig::sizes(const std::string& name) const {
  const auto found = settings_.find(name);
  const auto* values = found == settings_.end() ? nullptr : std::get_if<std::vector<int64_t>>(&found->second);
  require(values && !values->empty(), "network configuration: ", name, ": expected a list of sizes, got ",
          found == settings_.end() ? "none" : text_of(found->second));
  std::vector<int> sizes;
  for (const int64_t value : *values) sizes.push_back(checked_size(name, value));
  return sizes;
}

}  // namespace pictrieve
