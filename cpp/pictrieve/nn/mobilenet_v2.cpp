// MobileNet V2 (Sandler et al., arXiv:1801.04381) with torchvision's names. Reads depth_multiplier (of all widths),
// num_classes, classifier_dropout_prob, layer_norm_eps (of the batch norms), hidden_act, tf_padding, and batch_norm:
// false where the norms were folded into the convolutions, which then have a bias.
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "pictrieve/nn/convolutional.h"
#include "pictrieve/nn/families.h"
#include "pictrieve/nn/network_settings.h"

namespace pictrieve {
namespace {

constexpr int kStem = 32;
constexpr int kHead = 1280;
constexpr int kKernel = 3;
constexpr double kEpsilon = 1e-5;
constexpr double kDropout = 0.2;
constexpr int kInputSize = 224;

struct Stage {
  int expansion, channels, repeats, stride;
};

// Table 2 of the paper.
constexpr Stage kStages[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                             {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};

/// A list of convolutions that become parts of one block.
class Convolutions : public Block {
 public:
  explicit Convolutions(const NetworkConfig& config)
      : with_norm_(config.flag("batch_norm", true)),
        same_(config.flag("tf_padding", false)),
        epsilon_(config.number("layer_norm_eps", kEpsilon)),
        activation_(activation_named(config.word("hidden_act", "relu6"))) {}

  Value forward(Ops& ops, const Value& input) const {
    Value x = input;
    for (const ConvNorm& convolution : convolutions_) x = convolution.forward(ops, x);
    return x;
  }

 protected:
  /// `name` of the convolution, `norm` of its batch norm.
  void add(const std::string& name, const std::string& norm, int out, int in, int kernel, ConvOptions options) {
    options.padding = same_ ? Padding::like_tensorflow() : Padding::of(kernel / 2);
    convolutions_.push_back({conv(name, out, in / options.groups, kernel, !with_norm_),
                             with_norm_ ? batch_norm(norm, out, epsilon_) : nullptr, options, activation_});
  }
  void end_linear() { convolutions_.back().activation = Activation::None; }

 private:
  bool with_norm_, same_;
  double epsilon_;
  Activation activation_;
  std::vector<ConvNorm> convolutions_;
};

/// The first and the last convolution.
struct PlainConvolution : Convolutions {
  PlainConvolution(int in, int out, int kernel, int stride, const NetworkConfig& config) : Convolutions(config) {
    add("0", "1", out, in, kernel, {.stride = stride});
  }
};

/// Expand by 1x1, filter each channel, project by 1x1 without activation; the input is added where shapes agree.
class InvertedResidual : public Convolutions {
 public:
  InvertedResidual(int in, int out, int stride, int expansion, const NetworkConfig& config)
      : Convolutions(config), residual_(stride == 1 && in == out) {
    const int wide = in * expansion;
    int place = 0;
    const auto next = [&] { return "conv." + std::to_string(place++); };
    const auto add_pair = [&](int before, int kernel, const ConvOptions& options) {
      const std::string pair = next();
      add(pair + ".0", pair + ".1", wide, before, kernel, options);
    };
    if (expansion != 1) add_pair(in, 1, {});
    add_pair(wide, kKernel, {.stride = stride, .groups = wide});
    const std::string projection = next(), norm = next();
    add(projection, norm, out, wide, 1, {});
    end_linear();
  }

  Value forward(Ops& ops, const Value& input) const {
    const Value x = Convolutions::forward(ops, input);
    return residual_ ? ops.add(x, input) : x;
  }

 private:
  bool residual_;
};

class MobileNetV2 : public ImageModule {
 public:
  explicit MobileNetV2(const NetworkConfig& config)
      : dropout_(dropout_of(config, "classifier_dropout_prob", kDropout)) {
    const double factor = width_factor(config);
    int in = scaled_channels(kStem, factor), place = 0;
    const auto next = [&] { return "features." + std::to_string(place++); };
    stem_ = make<PlainConvolution>(next(), 3, in, kKernel, 2, config);
    for (const Stage& stage : kStages) {
      const int out = scaled_channels(stage.channels, factor);
      for (int i = 0; i < stage.repeats; ++i) {
        blocks_.push_back(make<InvertedResidual>(next(), in, out, i == 0 ? stage.stride : 1, stage.expansion, config));
        in = out;
      }
    }
    dim = scaled_channels(kHead, std::max(1.0, factor));
    head_ = make<PlainConvolution>(next(), in, dim, 1, 1, config);
    classes = classes_of(config);
    input_size = kInputSize;
    if (classes > 0) classifier_ = linear("classifier.1", classes, dim);
  }

  ImageValues forward(Ops& ops, const Value& pixels) const override {
    Value x = stem_->forward(ops, pixels);
    for (const auto& block : blocks_) x = block->forward(ops, x);
    x = head_->forward(ops, x);
    ImageValues values{x, ops.global_pool(x), {}};
    if (classifier_) values.logits = ops.linear(ops.dropout(values.features, dropout_), *classifier_);
    return values;
  }

 private:
  double dropout_;
  std::shared_ptr<PlainConvolution> stem_, head_;
  std::vector<std::shared_ptr<InvertedResidual>> blocks_;
  std::shared_ptr<Layer> classifier_;
};

constexpr int kBlocks = 17;  // "features.1" to "features.17"

/// The convolutions and norms of a block in another library.
struct BlockNames {
  std::string expand, expand_norm, filter, filter_norm, project, project_norm;
};

void add_block(std::vector<KeyRule>& rules, int place, const BlockNames& theirs) {
  const std::string ours = "features." + std::to_string(place) + ".conv.";
  int next = 0;
  const auto pair = [&](const std::string& name, const std::string& norm) {
    const std::string number = ours + std::to_string(next++);
    rules.push_back({number + ".0", name});
    rules.push_back({number + ".1", norm});
  };
  if (place > 1) pair(theirs.expand, theirs.expand_norm);
  pair(theirs.filter, theirs.filter_norm);
  rules.push_back({ours + std::to_string(next), theirs.project});
  rules.push_back({ours + std::to_string(next + 1), theirs.project_norm});
}

/// The names of transformers' MobileNetV2; those of a network without classifier lack the `prefix`.
std::vector<KeyRule> transformers_rules(const std::string& prefix) {
  std::vector<KeyRule> rules{{"features.0.0", prefix + "conv_stem.first_conv.convolution"},
                             {"features.0.1", prefix + "conv_stem.first_conv.normalization"},
                             {"features.18.0", prefix + "conv_1x1.convolution"},
                             {"features.18.1", prefix + "conv_1x1.normalization"},
                             {"classifier.1", "classifier"}};
  for (int place = 1; place <= kBlocks; ++place) {
    const std::string block = prefix + (place == 1 ? "conv_stem." : "layer." + std::to_string(place - 2) + ".");
    add_block(rules, place,
              {block + "expand_1x1.convolution", block + "expand_1x1.normalization", block + "conv_3x3.convolution",
               block + "conv_3x3.normalization", block + "reduce_1x1.convolution", block + "reduce_1x1.normalization"});
  }
  return rules;
}

std::vector<KeyRule> timm_rules(const NetworkConfig&) {
  std::vector<KeyRule> rules{{"features.0.0", "conv_stem"},
                             {"features.0.1", "bn1"},
                             {"features.18.0", "conv_head"},
                             {"features.18.1", "bn2"},
                             {"classifier.1", "classifier"}};
  int place = 1, number = 0;
  for (const Stage& stage : kStages) {
    for (int i = 0; i < stage.repeats; ++i, ++place) {
      const std::string block = "blocks." + std::to_string(number) + "." + std::to_string(i) + ".";
      add_block(rules, place,
                place == 1 ? BlockNames{"", "", block + "conv_dw", block + "bn1", block + "conv_pw", block + "bn2"}
                           : BlockNames{block + "conv_pw", block + "bn1", block + "conv_dw", block + "bn2",
                                        block + "conv_pwl", block + "bn3"});
    }
    ++number;
  }
  return rules;
}

/// "mobilenetv2_050" and the like are timm's names. The folded one is what TensorFlow Lite files hold.
std::map<std::string, NetworkConfig> variants() {
  std::map<std::string, NetworkConfig> made{{"mobilenet_v2_folded", {{"batch_norm", false}, {"tf_padding", true}}}};
  const std::map<std::string, double> factors{{"035", 0.35}, {"050", 0.5}, {"075", 0.75}, {"100", 1}, {"140", 1.4}};
  for (const auto& [name, factor] : factors) made["mobilenetv2_" + name] = {{"depth_multiplier", factor}};
  return made;
}

}  // namespace

ImageFamily mobilenet_v2_family() {
  return {
      "mobilenet_v2",
      variants(),
      [](const NetworkConfig& config) -> std::shared_ptr<ImageModule> { return std::make_shared<MobileNetV2>(config); },
      {{"transformers", "mobilenet_v2.conv_stem",
        [](const NetworkConfig&) { return transformers_rules("mobilenet_v2."); }},
       {"transformers backbone", "conv_stem.first_conv", [](const NetworkConfig&) { return transformers_rules(""); }},
       {"timm", "conv_stem", timm_rules}}};
}

}  // namespace pictrieve
