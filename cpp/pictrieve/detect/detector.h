// Objects in pictures: boxes, labels and scores.
#pragma once

#include <memory>
#include <vector>

#include "pictrieve/base/image.h"
#include "pictrieve/detect/boxes.h"
#include "pictrieve/runtime/detector_network.h"

namespace pictrieve {

struct Detection {
  Box box{};      ///< in pixels of the picture
  int label = 0;  ///< 1, 2, ...; 0 is the background, which is never reported
  float score = 0;
};

struct DetectorOptions {
  float least_score = 0.05F;  ///< of a detection
  float most_overlap = 0.5F;  ///< of two detections of one label
  int most_detections = 100;  ///< of a picture
  int short_side = 800;       ///< pictures are scaled to it,
  int long_side = 1333;       ///< unless the longer side would pass this
};

class Detector {
 public:
  Detector(std::shared_ptr<const DetectorNetwork> network, const DetectorOptions& options);

  int classes() const { return network_->classes(); }
  /// Best first. `image` is RGB. Runs on the calling thread; any number of threads may call.
  std::vector<Detection> detect(ImageView image) const;

 private:
  std::vector<Box> propose(const DetectorMaps& maps, int height, int width, int padded_height, int padded_width) const;
  Matrix<float> regions_of(const DetectorMaps& maps, const std::vector<Box>& boxes) const;
  std::vector<Detection> judge(const DetectorMaps& maps, const std::vector<Box>& proposals, int height,
                               int width) const;

  std::shared_ptr<const DetectorNetwork> network_;
  DetectorOptions options_;
};

}  // namespace pictrieve
