// An image network frozen for serving: fused single-threaded plans over weights packed once.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "pictrieve/base/matrix.h"

namespace pictrieve {

class NetworkConfig;
class StateDict;

/// Shape of one picture's last feature map.
struct FeatureMapShape {
  int channels = 0;
  int height = 0;
  int width = 0;

  int64_t size() const { return int64_t{channels} * height * width; }
};

/// Where a run writes. Leave a field empty and that part is neither computed nor written.
struct ImageOutputs {
  MatrixView<float> features{};  ///< (n, dim), not normalised: what the network compares pictures by
  MatrixView<float> logits{};    ///< (n, classes)
  float* feature_map = nullptr;  ///< (n, channels, height, width) as feature_map_shape says
};

class ImageNetwork {
 public:
  /// Builds the network `architecture` (a name of architectures()) on these weights, which are copied: the state dict
  /// may go. Throws std::invalid_argument for an unknown architecture or settings that make no network, FormatError
  /// where a key is missing, extra or misshapen.
  static std::unique_ptr<ImageNetwork> load(const std::string& architecture, const NetworkConfig& config,
                                            const StateDict& weights);
  /// The same network with seeded random weights.
  static std::unique_ptr<ImageNetwork> load_random(const std::string& architecture, const NetworkConfig& config,
                                                   uint64_t seed);
  ~ImageNetwork();

  const std::string& architecture() const;
  int dim() const;         ///< features per picture
  int classes() const;     ///< 0 where the network has no classifier
  int input_size() const;  ///< side in pixels that the network was trained on
  int least_size() const;  ///< side of the smallest picture that it can take
  FeatureMapShape feature_map_shape(int height, int width) const;

  /// Runs `n` pictures `(n, 3, height, width)`, float32, already preprocessed, one after the other on the calling
  /// thread. Any size of at least least_size() x least_size(). Any number of threads may call it at once; as many plans
  /// are made for a (height, width) as ever run at once, each in a few milliseconds. A picture's result does not depend
  /// on its neighbours, and `n` does not change the speed: give each thread one picture at a time.
  void run(const float* pixels, int n, int height, int width, const ImageOutputs& out) const;

 private:
  struct State;
  explicit ImageNetwork(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace pictrieve
