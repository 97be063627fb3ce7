// A detector's network frozen for serving.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "pictrieve/base/matrix.h"

namespace pictrieve {

class NetworkConfig;
class StateDict;

/// Owned numbers (channels, height, width).
struct FeatureMap {
  Matrix<float> values{};  ///< (channels, height * width)
  int64_t height = 0;
  int64_t width = 0;
};

/// What the network makes of one picture: maps to take regions from, and for each level of the pyramid how much every
/// anchor looks like an object and how it should change.
struct DetectorMaps {
  std::vector<FeatureMap> maps;
  std::vector<FeatureMap> objectness;
  std::vector<FeatureMap> changes;
};

class DetectorNetwork {
 public:
  static std::unique_ptr<DetectorNetwork> load(const NetworkConfig& config, const StateDict& weights);
  static std::unique_ptr<DetectorNetwork> load_random(const NetworkConfig& config, uint64_t seed);
  ~DetectorNetwork();

  int classes() const;      ///< the first is the background
  int region_size() const;  ///< numbers of one region: channels * side * side

  /// `pixels` (3, height, width), preprocessed, both sides multiples of 32. On the calling thread; any number may call.
  DetectorMaps look(const float* pixels, int height, int width) const;
  /// `regions` (n, region_size) -> `judged` (n, 5 * classes): a score for each class, then four changes for each.
  void judge(MatrixView<const float> regions, MatrixView<float> judged) const;

 private:
  struct State;
  explicit DetectorNetwork(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace pictrieve
