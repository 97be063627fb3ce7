// From a feature map (channels, height, width) to one vector.
#pragma once

#include <string>
#include <vector>

#include "pictrieve/runtime/image_network.h"

namespace pictrieve {

enum class MapPooling {
  Own,      ///< none of these: what the network itself gives for a picture
  Average,  ///< mean of each channel
  Max,      ///< largest value of each channel (MAC)
  Gem,      ///< generalised mean, (mean of max(x, 1e-6)^3)^(1/3); Radenovic et al., arXiv:1711.02512
  Rmac,     ///< sum of the unit vectors of the maxima of rmac_regions; Tolias et al., arXiv:1511.05879
  Spoc,     ///< sum weighted by a Gaussian about the centre; Babenko and Lempitsky, arXiv:1510.07493
  Flatten,  ///< all numbers, channel by channel
};

/// "avg", "max", "gem", "rmac", "spoc" or "flatten"; the empty name is Own. std::invalid_argument lists them.
MapPooling map_pooling_named(const std::string& name);

/// Length of the vector.
int64_t pooled_size(MapPooling pooling, const FeatureMapShape& shape);

/// Writes pooled_size() numbers, not normalised.
void pool_map(MapPooling pooling, const float* map, const FeatureMapShape& shape, float* out);

/// A square of a feature map.
struct MapRegion {
  int top = 0;
  int left = 0;
  int side = 0;

  bool operator==(const MapRegion&) const = default;
};

/// The squares of R-MAC. Level l = 1, ..., levels has sides of 2 min(height, width) / (l + 1), rounded down: l of them
/// along the short side and l + m along the long one, evenly apart; m is chosen (1 to 6; 0 for a square map) so that
/// neighbours of level 1 share as nearly 40 % as can be.
std::vector<MapRegion> rmac_regions(int height, int width, int levels);

}  // namespace pictrieve
