// The numbers, switches and words that shape a network.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace pictrieve {

/// Settings by name, with the names of Hugging Face's config.json where it has one; the file of each network says which
/// it reads. Every getter throws std::invalid_argument that names the setting, what it expected and what it got.
class NetworkConfig {
 public:
  using Setting = std::variant<bool, int64_t, double, std::string, std::vector<int64_t>>;

  NetworkConfig() = default;
  NetworkConfig(std::initializer_list<std::pair<const std::string, Setting>> settings) : settings_(settings) {}

  bool has(const std::string& name) const { return settings_.count(name) > 0; }
  void set(const std::string& name, Setting value) { settings_[name] = std::move(value); }
  /// These settings, and those of `defaults` that are not among them.
  NetworkConfig with_defaults(const NetworkConfig& defaults) const;

  /// A size that memory could hold, 1 to 2^24.
  int size(const std::string& name) const;
  int size(const std::string& name, int otherwise) const { return has(name) ? size(name) : otherwise; }
  /// Any number of 32 bits.
  int integer(const std::string& name, int otherwise) const;
  double number(const std::string& name, double otherwise) const;
  bool flag(const std::string& name, bool otherwise) const;
  std::string word(const std::string& name, const std::string& otherwise) const;
  /// Sizes, at least one.
  std::vector<int> sizes(const std::string& name) const;

 private:
  std::map<std::string, Setting> settings_;
};

}  // namespace pictrieve
