// What every image network offers to training and to the recorder.
#pragma once

#include <torch/nn/module.h>

#include "pictrieve/nn/ops.h"

namespace pictrieve {

struct ImageValues {
  Value feature_map;  ///< (n, channels, height, width)
  Value features;     ///< (n, dim)
  Value logits;       ///< (n, classes)
};

class ImageModule : public torch::nn::Module {
 public:
  /// `pixels` (n, 3, height, width), preprocessed.
  virtual ImageValues forward(Ops& ops, const Value& pixels) const = 0;

  int dim = 0;
  int classes = 0;
  int input_size = 0;
};

/// The forward of `module` as a graph: input "pixels", outputs "feature_map", "features" and "logits".
Graph record(const ImageModule& module);

}  // namespace pictrieve
