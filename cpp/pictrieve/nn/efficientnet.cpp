// EfficientNet (Tan and Le, arXiv:1905.11946) and its Lite variants, parameters named as in timm. Reads
// width_coefficient, depth_coefficient, out_channels, num_block_repeats, kernel_sizes, strides, expand_ratios,
// squeeze_expansion_ratio (0: none), hidden_dim (channels of the last convolution; scaled where not given), fixed_ends
// (the stem and the depth of the first and last stage are not scaled), padding ("same", which is TensorFlow's, or
// "symmetric"), hidden_act, batch_norm_eps, dropout_rate, drop_connect_rate, num_classes (0: none), image_size.
#include "pictrieve/nn/efficientnet.h"

#include <algorithm>

#include "pictrieve/base/error.h"
#include "pictrieve/nn/convolutional.h"
#include "pictrieve/nn/families.h"
#include "pictrieve/nn/network_settings.h"

namespace pictrieve {
namespace {

/// What all blocks of a network share.
struct Style {
  explicit Style(const NetworkConfig& config)
      : activation(activation_named(config.word("hidden_act", "silu"))),
        epsilon(config.number("batch_norm_eps", 1e-5)),
        squeeze(config.number("squeeze_expansion_ratio", 0.25)),
        same(config.word("padding", "symmetric") == "same") {
    const std::string padding = config.word("padding", "symmetric");
    require(same || padding == "symmetric", "network configuration: padding: expected 'same' or 'symmetric', got '",
            padding, "'");
    require(squeeze >= 0 && squeeze <= 1, "network configuration: squeeze_expansion_ratio: expected 0 to 1, got ",
            squeeze);
  }

  ConvOptions conv(int kernel, int stride, int groups = 1) const {
    const Padding padding = same ? Padding::like_tensorflow() : Padding::of(kernel / 2);
    return {.stride = stride, .groups = groups, .padding = padding};
  }

  Activation activation;
  double epsilon;
  double squeeze;  ///< channels of the bottleneck of a SqueezeExcite, as a share of the block's input
  bool same;
};

/// Scales each channel by what the means of all channels say (Hu et al., arXiv:1709.01507).
class SqueezeExcite : public Block {
 public:
  SqueezeExcite(int channels, int narrow, Activation activation) : activation_(activation) {
    reduce_ = conv("conv_reduce", narrow, channels, 1, true);
    expand_ = conv("conv_expand", channels, narrow, 1, true);
  }

  Value forward(Ops& ops, const Value& x) const {
    const Value means = ops.activate(ops.linear(ops.global_pool(x), *reduce_), activation_);
    return ops.multiply(x, ops.activate(ops.linear(means, *expand_), Activation::Sigmoid));
  }

 private:
  Activation activation_;
  std::shared_ptr<Layer> reduce_, expand_;
};

/// Expand by 1x1 (where the stage expands), filter each channel, project by 1x1; the input is added where shapes agree.
class InvertedResidual : public Block {
 public:
  InvertedResidual(int in, const EfficientNetStage& stage, int stride, const Style& style, double drop)
      : drop_(drop), residual_(stride == 1 && in == stage.channels) {
    const int wide = in * stage.expansion;
    int norms = 0;
    const auto norm = [&](int channels) { return batch_norm("bn" + std::to_string(++norms), channels, style.epsilon); };
    const bool expands = stage.expansion > 1;
    if (expands) expand_ = {conv("conv_pw", wide, in, 1), norm(wide), {}, style.activation};
    filter_ = {conv("conv_dw", wide, 1, stage.kernel), norm(wide), style.conv(stage.kernel, stride, wide),
               style.activation};
    const int narrow = std::max(1, static_cast<int>(in * style.squeeze));
    if (style.squeeze > 0) squeeze_ = make<SqueezeExcite>("se", wide, narrow, style.activation);
    project_ = {conv(expands ? "conv_pwl" : "conv_pw", stage.channels, wide, 1), norm(stage.channels)};
  }

  Value forward(Ops& ops, const Value& input) const {
    Value x = filter_.forward(ops, expand_.conv ? expand_.forward(ops, input) : input);
    if (squeeze_) x = squeeze_->forward(ops, x);
    x = project_.forward(ops, x);
    return residual_ ? ops.add(ops.drop_path(x, drop_), input) : x;
  }

 private:
  double drop_;
  bool residual_;
  ConvNorm expand_, filter_, project_;
  std::shared_ptr<SqueezeExcite> squeeze_;
};

class EfficientNet : public ImageModule {
 public:
  explicit EfficientNet(const NetworkConfig& config) : dropout_(dropout_of(config, "dropout_rate", 0)) {
    const Style style(config);
    dim = efficientnet_head(config);
    classes = classes_of(config);
    input_size = config.size("image_size", 224);
    const int stem = efficientnet_stem(config);
    stem_ = {conv("conv_stem", stem, 3, 3), batch_norm("bn1", stem, style.epsilon), style.conv(3, 2), style.activation};
    const int last = make_blocks(stem, config, style);
    head_ = {conv("conv_head", dim, last, 1), batch_norm("bn2", dim, style.epsilon), {}, style.activation};
    if (classes > 0) classifier_ = linear("classifier", classes, dim);
  }

  ImageValues forward(Ops& ops, const Value& pixels) const override {
    Value x = stem_.forward(ops, pixels);
    for (const auto& block : blocks_) x = block->forward(ops, x);
    x = head_.forward(ops, x);
    ImageValues values{.feature_map = x, .features = ops.global_pool(x), .logits = {}};
    if (classifier_) values.logits = ops.linear(ops.dropout(values.features, dropout_), *classifier_);
    return values;
  }

 private:
  /// Returns the channels of the last. Later blocks are dropped more often, up to drop_connect_rate.
  int make_blocks(int in, const NetworkConfig& config, const Style& style) {
    const std::vector<EfficientNetStage> stages = efficientnet_stages(config);
    const double drop = dropout_of(config, "drop_connect_rate", 0);
    int count = 0;
    for (const EfficientNetStage& stage : stages) count += stage.blocks;
    for (size_t s = 0; s < stages.size(); ++s) {
      for (int b = 0; b < stages[s].blocks; ++b) {
        const std::string name = "blocks." + std::to_string(s) + "." + std::to_string(b);
        const int stride = b == 0 ? stages[s].stride : 1;
        const double share = drop * static_cast<double>(blocks_.size()) / count;
        blocks_.push_back(make<InvertedResidual>(name, in, stages[s], stride, style, share));
        in = stages[s].channels;
      }
    }
    return in;
  }

  double dropout_;
  ConvNorm stem_, head_;
  std::shared_ptr<Layer> classifier_;
  std::vector<std::shared_ptr<InvertedResidual>> blocks_;
};

}  // namespace

ImageFamily efficientnet_family() {
  return {"efficientnet", efficientnet_variants(),
          [](const NetworkConfig& config) -> std::shared_ptr<ImageModule> {
            return std::make_shared<EfficientNet>(config);
          },
          efficientnet_layouts()};
}

}  // namespace pictrieve
