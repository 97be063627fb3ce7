// What every network offers to training and to the recorder.
#pragma once

#include "pictrieve/nn/graph.h"
#include "pictrieve/nn/network_facts.h"
#include "pictrieve/nn/ops.h"

namespace pictrieve {

struct ImageValues {
  Value feature_map;  ///< (n, channels, height, width), after the last norm
  Value features;     ///< (n, dim): what the network was trained to compare pictures by, or its pooled feature map
  Value logits;       ///< (n, classes), where the network has a classifier
};

class ImageModule : public Block, public ImageFacts {
 public:
  /// `pixels` (n, 3, height, width), preprocessed.
  virtual ImageValues forward(Ops& ops, const Value& pixels) const = 0;
};

struct TextInputs {
  Value ids;        ///< (n, length)
  Value positions;  ///< (n, length): 0, 1, ... in each text, plus position_offset
  Value segments;   ///< (n, length): token types
};

class TextModule : public Block, public TextFacts {
 public:
  /// The last hidden state (n, length, hidden).
  virtual Value forward(Ops& ops, const TextInputs& inputs) const = 0;
  /// What becomes of a pooled text (n, hidden): the projection of CLIP, say.
  virtual Value project(Ops&, const Value& pooled) const { return pooled; }
};

/// The forward of a network as a graph: input "pixels", outputs "feature_map", "features" and, with a classifier,
/// "logits".
Graph record(const ImageModule& module);
/// Inputs "ids", "positions" and "segments", output "hidden".
Graph record(const TextModule& module);
/// Input "pooled", output "projected".
Graph record_projection(const TextModule& module);

}  // namespace pictrieve
