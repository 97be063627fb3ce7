#include "pictrieve/nn/efficientnet.h"

#include <string>
#include <vector>

namespace pictrieve {
namespace {

constexpr double kEpsilon = 1e-3;
constexpr double kMomentum = 0.01;

struct Stage {
  int repeats, kernel, stride, expansion, channels;
};

// Table 1 of the paper. Lite variants keep the stem and head at their base width.
constexpr Stage kStages[] = {{1, 3, 1, 1, 16},  {2, 3, 2, 6, 24},  {2, 5, 2, 6, 40}, {3, 3, 2, 6, 80},
                             {3, 5, 1, 6, 112}, {4, 5, 2, 6, 192}, {1, 3, 1, 6, 320}};
constexpr int kStem = 32;
constexpr int kHead = 1280;
constexpr int kClasses = 1000;
constexpr int kInputSize = 224;

std::shared_ptr<Layer> conv(int out, int in, int kernel) {
  return std::make_shared<Layer>(torch::IntArrayRef{out, in, kernel, kernel}, false);
}

std::shared_ptr<BatchNorm> norm(int channels) { return std::make_shared<BatchNorm>(channels, kEpsilon, kMomentum); }

/// Expand by 1x1, filter each channel, project by 1x1; the input is added where shapes agree.
class InvertedResidual : public torch::nn::Module {
 public:
  InvertedResidual(int in, const Stage& stage, int stride)
      : options_{stride, in * stage.expansion}, residual_(stride == 1 && in == stage.channels) {
    const int wide = in * stage.expansion;
    if (stage.expansion != 1) {
      expand_ = register_module("_expand_conv", conv(wide, in, 1));
      expand_norm_ = register_module("_bn0", norm(wide));
    }
    depthwise_ = register_module("_depthwise_conv", conv(wide, 1, stage.kernel));
    depthwise_norm_ = register_module("_bn1", norm(wide));
    project_ = register_module("_project_conv", conv(stage.channels, wide, 1));
    project_norm_ = register_module("_bn2", norm(stage.channels));
  }

  Value forward(Ops& ops, const Value& input) const {
    Value x = input;
    if (expand_) x = ops.activate(ops.batch_norm(ops.conv2d(x, *expand_, {}), *expand_norm_), Activation::Relu6);
    x = ops.activate(ops.batch_norm(ops.conv2d(x, *depthwise_, options_), *depthwise_norm_), Activation::Relu6);
    x = ops.batch_norm(ops.conv2d(x, *project_, {}), *project_norm_);
    return residual_ ? ops.add(x, input) : x;
  }

 private:
  ConvOptions options_;
  bool residual_;
  std::shared_ptr<Layer> expand_, depthwise_, project_;
  std::shared_ptr<BatchNorm> expand_norm_, depthwise_norm_, project_norm_;
};

class EfficientNetLite : public ImageModule {
 public:
  EfficientNetLite() {
    dim = kHead;
    classes = kClasses;
    input_size = kInputSize;
    stem_ = register_module("_conv_stem", conv(kStem, 3, 3));
    stem_norm_ = register_module("_bn0", norm(kStem));
    const auto list = register_module("_blocks", std::make_shared<torch::nn::Module>());
    int in = kStem;
    for (const Stage& stage : kStages) {
      for (int repeat = 0; repeat < stage.repeats; ++repeat) {
        const int stride = repeat == 0 ? stage.stride : 1;
        blocks_.push_back(list->register_module(std::to_string(blocks_.size()),
                                                std::make_shared<InvertedResidual>(in, stage, stride)));
        in = stage.channels;
      }
    }
    head_ = register_module("_conv_head", conv(kHead, in, 1));
    head_norm_ = register_module("_bn1", norm(kHead));
    classifier_ = register_module("_fc", std::make_shared<Layer>(torch::IntArrayRef{kClasses, kHead}, true));
  }

  ImageValues forward(Ops& ops, const Value& pixels) const override {
    Value x = ops.activate(ops.batch_norm(ops.conv2d(pixels, *stem_, {.stride = 2}), *stem_norm_), Activation::Relu6);
    for (const auto& block : blocks_) x = block->forward(ops, x);
    ImageValues values;
    values.feature_map = ops.activate(ops.batch_norm(ops.conv2d(x, *head_, {}), *head_norm_), Activation::Relu6);
    values.features = ops.global_pool(values.feature_map);
    values.logits = ops.linear(values.features, *classifier_);
    return values;
  }

 private:
  std::shared_ptr<Layer> stem_, head_, classifier_;
  std::shared_ptr<BatchNorm> stem_norm_, head_norm_;
  std::vector<std::shared_ptr<InvertedResidual>> blocks_;
};

}  // namespace

std::shared_ptr<ImageModule> make_efficientnet_lite0() { return std::make_shared<EfficientNetLite>(); }

}  // namespace pictrieve
