// From pictures to what a network is trained on: random, and the same wherever and whenever it is computed.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "pictrieve/base/parallel.h"
#include "pictrieve/image/augment/steps.h"
#include "pictrieve/image/preprocess.h"
#include "pictrieve/image/source.h"

namespace pictrieve {

/// A picture that could not be read or decoded.
struct AugmentFailure {
  int64_t index;
  std::string reason;
};

/// Pictures, the number of each in its data set, and which pass over it this is.
struct AugmentBatch {
  std::span<const ImageSource> images{};
  std::span<const int64_t> indices{};  ///< as many, at least 0
  uint32_t epoch = 0;
  int views = 1;  ///< looks at each picture, drawn independently
  /// Throw at the first unreadable picture; otherwise its values are zeros and it stands among the failures.
  bool stop_at_failure = true;
};

/// Immutable, so that any number of threads may share one. What a view of a picture becomes depends on the seed, the
/// steps, the epoch, the picture, its index and the number of the view, on nothing else: see RandomStream.
class Augmentation {
 public:
  /// Sizes, resampling and the numbers that the network gets are those of `served`. Throws std::invalid_argument where
  /// a parameter is out of range.
  Augmentation(Preprocess served, std::vector<AugmentStep> steps, uint64_t seed);

  /// Whether every picture ends at the size of the network's input, as `run` wants it.
  bool fits_network() const;

  /// Fills out (views, images, 3, height, width) with the network's input, or (views, images, height, width, 3) with
  /// RGB. Returns the failures by index.
  std::vector<AugmentFailure> run(const AugmentBatch& batch, float* out, const Monitor& monitor = {}) const;
  std::vector<AugmentFailure> run(const AugmentBatch& batch, uint8_t* out, const Monitor& monitor = {}) const;

  /// Pictures of the sizes that the steps give them, RGB, view by view; a failed one is empty.
  std::vector<AugmentFailure> run(const AugmentBatch& batch, std::span<Image> out, const Monitor& monitor = {}) const;

  const Preprocess& served() const { return served_; }

 private:
  friend class AugmentRun;

  Preprocess served_;
  std::vector<AugmentStep> steps_;
  uint64_t seed_;
};

}  // namespace pictrieve
