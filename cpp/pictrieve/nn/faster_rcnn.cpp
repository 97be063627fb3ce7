#include "pictrieve/nn/faster_rcnn.h"

#include <torch/utils.h>

#include <string>
#include <vector>

#include "pictrieve/nn/parameters.h"
#include "pictrieve/nn/recorder.h"
#include "pictrieve/nn/registry.h"
#include "pictrieve/nn/resnet.h"
#include "pictrieve/nn/torch_errors.h"

namespace pictrieve {
namespace {

constexpr int kChannels = DetectorGraph::kChannels;
constexpr int kCells = DetectorGraph::kRegionSide * DetectorGraph::kRegionSide;
constexpr int kBoxFeatures = 1024;
constexpr int kClasses = 91;

NetworkConfig body_config(const NetworkConfig& config) {
  return image_family("resnet50")
      .settings("resnet50", {{"num_classes", 0}, {"batch_norm_eps", config.number("batch_norm_eps", 0)}});
}

class FasterRcnn : public Block {
 public:
  explicit FasterRcnn(const NetworkConfig& config) : classes(config.size("num_classes", kClasses)) {
    body_ = make<ResNet>("backbone.body", body_config(config));
    int width = 256;  // of the body's first stage
    for (int i = 0; i < DetectorGraph::kMaps; ++i, width *= 2) {
      const std::string number = std::to_string(i);
      inner_.push_back(conv("backbone.fpn.inner_blocks." + number + ".0", kChannels, width, 1, true));
      smooth_.push_back(conv("backbone.fpn.layer_blocks." + number + ".0", kChannels, kChannels, 3, true));
    }
    proposal_ = conv("rpn.head.conv.0.0", kChannels, kChannels, 3, true);
    objectness_ = conv("rpn.head.cls_logits", DetectorGraph::kShapes, kChannels, 1, true);
    changes_ = conv("rpn.head.bbox_pred", 4 * DetectorGraph::kShapes, kChannels, 1, true);
    first_ = linear("roi_heads.box_head.fc6", kBoxFeatures, kChannels * kCells);
    second_ = linear("roi_heads.box_head.fc7", kBoxFeatures, kBoxFeatures);
    class_scores_ = linear("roi_heads.box_predictor.cls_score", classes, kBoxFeatures);
    class_changes_ = linear("roi_heads.box_predictor.bbox_pred", 4 * classes, kBoxFeatures);
  }

  Graph record_picture() const {
    Recorder ops;
    const std::vector<Value> stages = body_->stages(ops, ops.input("pixels"));
    std::vector<Value> maps(DetectorGraph::kMaps);
    Value above;
    for (int i = DetectorGraph::kMaps - 1; i >= 0; --i) {
      const Value here = ops.conv2d(stages[i], *inner_[i], {});
      above = above.exists() ? ops.add(here, ops.upsample_like(above, here)) : here;
      maps[i] = ops.conv2d(above, *smooth_[i], kSame);
      ops.output("map" + std::to_string(i), maps[i]);
    }
    maps.push_back(ops.max_pool(maps.back(), {.kernel = 1, .stride = 2}));
    for (size_t level = 0; level < maps.size(); ++level) {
      const Value x = ops.activate(ops.conv2d(maps[level], *proposal_, kSame), Activation::Relu);
      ops.output("objectness" + std::to_string(level), ops.conv2d(x, *objectness_, {}));
      ops.output("changes" + std::to_string(level), ops.conv2d(x, *changes_, {}));
    }
    return ops.take();
  }

  Graph record_region() const {
    Recorder ops;
    const Value first = ops.activate(ops.linear(ops.input("region"), *first_), Activation::Relu);
    const Value second = ops.activate(ops.linear(first, *second_), Activation::Relu);
    const torch::Tensor weight = torch::cat({class_scores_->weight, class_changes_->weight});
    ops.output("judged", ops.linear(second, weight, torch::cat({class_scores_->bias, class_changes_->bias})));
    return ops.take();
  }

  int classes;

 private:
  static constexpr ConvOptions kSame{.padding = {1, 1, false}};

  std::shared_ptr<ResNet> body_;
  std::vector<std::shared_ptr<Layer>> inner_, smooth_;
  std::shared_ptr<Layer> proposal_, objectness_, changes_, first_, second_, class_scores_, class_changes_;
};

/// `fill` gives the new module its parameters.
template <class FillModule>
DetectorGraph detector_graph(const NetworkConfig& config, const FillModule& fill) {
  return without_torch_errors("fasterrcnn_resnet50_fpn", [&] {
    const torch::NoGradGuard no_grad;
    const auto module = std::make_shared<FasterRcnn>(config);
    fill(*module);
    return DetectorGraph{module->record_picture(), module->record_region(), module->classes};
  });
}

/// Checkpoints of before torchvision 0.14 lack the innermost numbers.
std::vector<KeyRule> rules_of(const StateDict& weights) {
  if (!weights.contains("rpn.head.conv.weight")) return {};
  return {{"rpn.head.conv.0.0", "rpn.head.conv"},
          {"backbone.fpn.inner_blocks.{}.0", "backbone.fpn.inner_blocks.{}"},
          {"backbone.fpn.layer_blocks.{}.0", "backbone.fpn.layer_blocks.{}"}};
}

}  // namespace

DetectorGraph freeze_detector(const NetworkConfig& config, const StateDict& weights) {
  return detector_graph(
      config, [&](FasterRcnn& module) { load_parameters(slots_of(module), weights, rules_of(weights), Fill::Borrow); });
}

DetectorGraph random_detector(const NetworkConfig& config, uint64_t seed) {
  return detector_graph(config, [&](FasterRcnn& module) { randomize_parameters(slots_of(module), seed); });
}

}  // namespace pictrieve
