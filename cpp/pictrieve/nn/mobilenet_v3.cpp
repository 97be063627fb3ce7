// MobileNet V3 (Howard et al., arXiv:1905.02244) with torchvision's names. Reads model_size ("large" or "small", the
// tables of the paper), depth_multiplier (of all widths), num_classes, classifier_dropout_prob, layer_norm_eps (of the
// batch norms), tf_padding.
#include <map>
#include <span>
#include <string>
#include <vector>

#include "pictrieve/base/error.h"
#include "pictrieve/nn/convolutional.h"
#include "pictrieve/nn/families.h"
#include "pictrieve/nn/network_settings.h"

namespace pictrieve {
namespace {

constexpr int kStem = 16;
constexpr int kHeadExpansion = 6;
constexpr int kSqueeze = 4;
constexpr double kEpsilon = 1e-3;
constexpr double kMomentum = 0.01;
constexpr double kDropout = 0.2;
constexpr int kInputSize = 224;

struct Shape {
  int kernel, wide, out;
  bool squeezes;
  Activation activation;
  int stride;
};

// Tables 1 and 2 of the paper.
constexpr Activation kRelu = Activation::Relu, kSwish = Activation::HardSwish;
constexpr Shape kLarge[] = {
    {3, 16, 16, false, kRelu, 1},   {3, 64, 24, false, kRelu, 2},   {3, 72, 24, false, kRelu, 1},
    {5, 72, 40, true, kRelu, 2},    {5, 120, 40, true, kRelu, 1},   {5, 120, 40, true, kRelu, 1},
    {3, 240, 80, false, kSwish, 2}, {3, 200, 80, false, kSwish, 1}, {3, 184, 80, false, kSwish, 1},
    {3, 184, 80, false, kSwish, 1}, {3, 480, 112, true, kSwish, 1}, {3, 672, 112, true, kSwish, 1},
    {5, 672, 160, true, kSwish, 2}, {5, 960, 160, true, kSwish, 1}, {5, 960, 160, true, kSwish, 1}};
constexpr Shape kSmall[] = {{3, 16, 16, true, kRelu, 2},   {3, 72, 24, false, kRelu, 2},  {3, 88, 24, false, kRelu, 1},
                            {5, 96, 40, true, kSwish, 2},  {5, 240, 40, true, kSwish, 1}, {5, 240, 40, true, kSwish, 1},
                            {5, 120, 48, true, kSwish, 1}, {5, 144, 48, true, kSwish, 1}, {5, 288, 96, true, kSwish, 2},
                            {5, 576, 96, true, kSwish, 1}, {5, 576, 96, true, kSwish, 1}};
constexpr int kLargeHidden = 1280;
constexpr int kSmallHidden = 1024;

bool is_large(const NetworkConfig& config) {
  const std::string size = config.word("model_size", "large");
  require(size == "large" || size == "small", "network configuration: model_size: expected 'large' or 'small', got '",
          size, "'");
  return size == "large";
}

std::span<const Shape> shapes_of(const NetworkConfig& config) {
  if (is_large(config)) return kLarge;
  return kSmall;
}

/// A convolution, its batch norm and an activation, under the names "0" and "1".
class Convolution : public Block {
 public:
  Convolution(int out, int in, int kernel, ConvOptions options, Activation activation, const NetworkConfig& config) {
    options.padding = config.flag("tf_padding", false) ? Padding::like_tensorflow() : Padding::of(kernel / 2);
    parts_ = {conv("0", out, in / options.groups, kernel),
              batch_norm("1", out, config.number("layer_norm_eps", kEpsilon), kMomentum), options, activation};
  }

  Value forward(Ops& ops, const Value& x) const { return parts_.forward(ops, x); }

 private:
  ConvNorm parts_;
};

/// Weighs the channels by what the whole picture holds (arXiv:1709.01507).
class SqueezeExcitation : public Block {
 public:
  explicit SqueezeExcitation(int channels) {
    const int few = scaled_channels(channels / kSqueeze, 1);
    squeeze_ = conv("fc1", few, channels, 1, true);
    excite_ = conv("fc2", channels, few, 1, true);
  }

  Value forward(Ops& ops, const Value& x) const {
    const Value few = ops.activate(ops.linear(ops.global_pool(x), *squeeze_), Activation::Relu);
    return ops.multiply(x, ops.activate(ops.linear(few, *excite_), Activation::HardSigmoid));
  }

 private:
  std::shared_ptr<Layer> squeeze_, excite_;
};

/// Expand by 1x1, filter each channel, weigh the channels, project by 1x1; the input is added where shapes agree.
class InvertedResidual : public Block {
 public:
  InvertedResidual(int in, int out, const Shape& shape, double factor, const NetworkConfig& config)
      : residual_(shape.stride == 1 && in == out) {
    const int wide = scaled_channels(shape.wide, factor);
    int place = 0;
    const auto next = [&] { return "block." + std::to_string(place++); };
    if (wide != in) expand_ = make<Convolution>(next(), wide, in, 1, ConvOptions{}, shape.activation, config);
    filter_ = make<Convolution>(next(), wide, wide, shape.kernel, ConvOptions{.stride = shape.stride, .groups = wide},
                                shape.activation, config);
    if (shape.squeezes) weigh_ = make<SqueezeExcitation>(next(), wide);
    project_ = make<Convolution>(next(), out, wide, 1, ConvOptions{}, Activation::None, config);
  }

  Value forward(Ops& ops, const Value& input) const {
    Value x = filter_->forward(ops, expand_ ? expand_->forward(ops, input) : input);
    if (weigh_) x = weigh_->forward(ops, x);
    x = project_->forward(ops, x);
    return residual_ ? ops.add(x, input) : x;
  }

 private:
  bool residual_;
  std::shared_ptr<Convolution> expand_, filter_, project_;
  std::shared_ptr<SqueezeExcitation> weigh_;
};

class MobileNetV3 : public ImageModule {
 public:
  explicit MobileNetV3(const NetworkConfig& config)
      : dropout_(dropout_of(config, "classifier_dropout_prob", kDropout)) {
    const double factor = width_factor(config);
    add_features(factor, config);
    classes = classes_of(config);
    input_size = kInputSize;
    if (classes == 0) return;
    const int hidden = scaled_channels(is_large(config) ? kLargeHidden : kSmallHidden, factor);
    widen_ = linear("classifier.0", hidden, dim);
    classifier_ = linear("classifier.3", classes, hidden);
  }

  ImageValues forward(Ops& ops, const Value& pixels) const override {
    Value x = stem_->forward(ops, pixels);
    for (const auto& block : blocks_) x = block->forward(ops, x);
    x = head_->forward(ops, x);
    ImageValues values{x, ops.global_pool(x), {}};
    if (!classifier_) return values;
    const Value wide = ops.activate(ops.linear(values.features, *widen_), Activation::HardSwish);
    values.logits = ops.linear(ops.dropout(wide, dropout_), *classifier_);
    return values;
  }

 private:
  void add_features(double factor, const NetworkConfig& config) {
    int in = scaled_channels(kStem, factor), place = 0;
    const auto next = [&] { return "features." + std::to_string(place++); };
    stem_ = make<Convolution>(next(), in, 3, 3, ConvOptions{.stride = 2}, Activation::HardSwish, config);
    for (const Shape& shape : shapes_of(config)) {
      const int out = scaled_channels(shape.out, factor);
      blocks_.push_back(make<InvertedResidual>(next(), in, out, shape, factor, config));
      in = out;
    }
    dim = kHeadExpansion * in;
    head_ = make<Convolution>(next(), dim, in, 1, ConvOptions{}, Activation::HardSwish, config);
  }

  double dropout_;
  std::shared_ptr<Convolution> stem_, head_;
  std::vector<std::shared_ptr<InvertedResidual>> blocks_;
  std::shared_ptr<Layer> widen_, classifier_;
};

void add_timm_block(std::vector<KeyRule>& rules, const std::string& ours, const std::string& theirs, const Shape& shape,
                    bool expands) {
  int place = 0, norm = 1;
  const auto next = [&] { return ours + "block." + std::to_string(place++); };
  const auto convolution = [&](const char* name) {
    const std::string own = next();
    rules.push_back({own + ".0", theirs + name});
    rules.push_back({own + ".1", theirs + "bn" + std::to_string(norm++)});
  };
  if (expands) convolution("conv_pw");
  convolution("conv_dw");
  if (shape.squeezes) {
    const std::string own = next();
    rules.push_back({own + ".fc1", theirs + "se.conv_reduce"});
    rules.push_back({own + ".fc2", theirs + "se.conv_expand"});
  }
  convolution(expands ? "conv_pwl" : "conv_pw");
}

/// timm numbers blocks within stages, the runs of blocks with equally many channels.
std::vector<KeyRule> timm_rules(const NetworkConfig& config) {
  std::vector<KeyRule> rules{{"features.0.0", "conv_stem"},
                             {"features.0.1", "bn1"},
                             {"classifier.0", "conv_head++"},
                             {"classifier.3", "classifier"}};
  int place = 1, stage = -1, number = 0, in = kStem, out = 0;
  for (const Shape& shape : shapes_of(config)) {
    number = shape.out == out ? number + 1 : 0;
    stage += number == 0;
    out = shape.out;
    add_timm_block(rules, "features." + std::to_string(place++) + ".",
                   "blocks." + std::to_string(stage) + "." + std::to_string(number) + ".", shape, shape.wide != in);
    in = out;
  }
  const std::string head = "features." + std::to_string(place), theirs = "blocks." + std::to_string(stage + 1) + ".0.";
  rules.push_back({head + ".0", theirs + "conv"});
  rules.push_back({head + ".1", theirs + "bn1"});
  return rules;
}

/// Those of timm have their own names: other checkpoints and, of some, TensorFlow's padding.
std::map<std::string, NetworkConfig> variants() {
  std::map<std::string, NetworkConfig> made;
  for (const std::string& size : std::vector<std::string>{"large", "small"}) {
    made["mobilenet_v3_" + size] = {{"model_size", size}};
    made["mobilenetv3_" + size + "_100"] = {{"model_size", size}, {"layer_norm_eps", 1e-5}};
    made["tf_mobilenetv3_" + size + "_100"] = {{"model_size", size}, {"tf_padding", true}};
  }
  return made;
}

}  // namespace

ImageFamily mobilenet_v3_family() {
  return {
      "mobilenet_v3",
      variants(),
      [](const NetworkConfig& config) -> std::shared_ptr<ImageModule> { return std::make_shared<MobileNetV3>(config); },
      {{"timm", "conv_stem", timm_rules}}};
}

}  // namespace pictrieve
