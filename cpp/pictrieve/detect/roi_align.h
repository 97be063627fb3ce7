// Features of a box at a fixed size, by bilinear sampling (He et al., Mask R-CNN, arXiv:1703.06870).
#pragma once

#include <cstdint>

#include "pictrieve/detect/boxes.h"

namespace pictrieve {

/// Borrowed feature map (channels, height, width).
struct FeatureView {
  const float* data = nullptr;
  int64_t channels = 0;
  int64_t height = 0;
  int64_t width = 0;
};

struct RoiAlignOptions {
  float scale = 1;       ///< pixels of the map for a pixel of the picture
  int side = 7;          ///< cells along each side of the box
  int samples = 2;       ///< points along each side of a cell, of which the mean is taken
  bool aligned = false;  ///< boxes are shifted by half a pixel of the map, so that pixels are points at their centres
};

/// Writes (channels, side, side). Boxes are at least one pixel of the map wide and high unless `aligned`.
void roi_align(const FeatureView& map, const Box& box, const RoiAlignOptions& options, float* out);

}  // namespace pictrieve
