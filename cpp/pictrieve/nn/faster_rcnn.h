// Faster R-CNN (Ren et al., arXiv:1506.01497) on a feature pyramid (Lin et al., arXiv:1612.03144) as graphs: what is
// computed of a picture, and of each region in it. Without Torch types.
#pragma once

#include <cstdint>

#include "pictrieve/nn/graph.h"
#include "pictrieve/nn/network_config.h"
#include "pictrieve/nn/state_dict.h"

namespace pictrieve {

struct DetectorGraph {
  static constexpr int kMaps = 4;        ///< that regions are taken from
  static constexpr int kLevels = 5;      ///< that regions are proposed on
  static constexpr int kChannels = 256;  ///< of every map
  static constexpr int kRegionSide = 7;  ///< cells along each side of a region
  static constexpr int kShapes = 3;      ///< anchors for each pixel

  /// Input "pixels"; outputs "map0" to "map3" and, for each level, "objectness" (3 channels) and "changes" (12: those
  /// of a shape lie together).
  Graph picture;
  /// Input "region", (channels * 7 * 7); output "judged": a score for each class, then four changes for each.
  Graph region;
  int classes = 0;  ///< the first is the background
};

/// torchvision's fasterrcnn_resnet50_fpn with its names. Reads num_classes (91 unless set) and batch_norm_eps: 0 for
/// torchvision's weights of COCO, which is taken unless set. Throws as the functions of frozen.h do.
DetectorGraph freeze_detector(const NetworkConfig& config, const StateDict& weights);
DetectorGraph random_detector(const NetworkConfig& config, uint64_t seed);

}  // namespace pictrieve
