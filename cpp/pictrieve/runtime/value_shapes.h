// Sizes of everything that a recorded image network computes, before anything is planned.
#pragma once

#include <cstdint>
#include <vector>

#include "pictrieve/nn/graph.h"

namespace pictrieve {

/// Of one picture. Tokens are a picture of width 1 that is as high as there are tokens, a vector one of a single pixel.
struct Shape {
  int64_t channels = 0;
  int64_t height = 1;
  int64_t width = 1;

  int64_t rows() const { return height * width; }
  int64_t count() const { return channels * rows(); }
  bool operator==(const Shape&) const = default;
};

/// The shape of each node for pixels (3, height, width). Throws std::invalid_argument for a picture that is too small
/// and for operations that do not fit together.
std::vector<Shape> value_shapes(const Graph& graph, int64_t height, int64_t width);

}  // namespace pictrieve
