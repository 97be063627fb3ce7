// ConvNeXt (Liu et al., arXiv:2201.03545), parameters named as in timm. Reads depths, hidden_sizes, patch_size,
// hidden_act, layer_norm_eps (of the last norm), layer_scale_init_value (0: no scales), drop_path_rate, num_classes
// (0: none), image_size.
#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "pictrieve/base/error.h"
#include "pictrieve/nn/convolutional.h"
#include "pictrieve/nn/families.h"
#include "pictrieve/nn/network_settings.h"

namespace pictrieve {
namespace {

constexpr double kEpsilon = 1e-6;
constexpr int kKernel = 7;
constexpr int kExpansion = 4;
constexpr size_t kMostStages = 8;

/// Filter each channel by 7 x 7, normalise each pixel, and mix its channels through a wider hidden layer.
class ConvNextBlock : public Block {
 public:
  ConvNextBlock(int dim, const NetworkConfig& config, double drop)
      : options_{.groups = dim, .padding = Padding::of(kKernel / 2)},
        activation_(activation_named(config.word("hidden_act", "gelu"))),
        drop_(drop) {
    depthwise_ = conv("conv_dw", dim, 1, kKernel, true);
    norm_ = layer_norm("norm", dim);
    widen_ = linear("mlp.fc1", kExpansion * dim, dim);
    narrow_ = linear("mlp.fc2", dim, kExpansion * dim);
    if (config.number("layer_scale_init_value", kEpsilon) > 0) parameter("gamma", gamma_, {dim});
  }

  Value forward(Ops& ops, const Value& input) const {
    const Value x = ops.layer_norm(ops.conv2d(input, *depthwise_, options_), *norm_, kEpsilon);
    const Value mixed = ops.linear(ops.activate(ops.linear(x, *widen_), activation_), *narrow_);
    return ops.add(ops.drop_path(gamma_.defined() ? ops.scale(mixed, gamma_) : mixed, drop_), input);
  }

 private:
  ConvOptions options_;
  Activation activation_;
  double drop_;
  std::shared_ptr<Layer> depthwise_, norm_, widen_, narrow_;
  torch::Tensor gamma_;
};

class ConvNext : public ImageModule {
 public:
  explicit ConvNext(const NetworkConfig& config)
      : patch_(patch_of(config, 4)), epsilon_(config.number("layer_norm_eps", kEpsilon)) {
    const std::vector<int> dims = config.sizes("hidden_sizes");
    const std::vector<int> depths = counts_of(config, "depths", dims.size());
    require(dims.size() <= kMostStages, "network configuration: hidden_sizes: expected at most ", kMostStages,
            " numbers, got ", dims.size());
    dim = dims.back();
    classes = classes_of(config);
    input_size = config.size("image_size", 224);
    least_size = patch_ << (dims.size() - 1);
    patches_ = conv("stem.0", dims[0], 3, patch_, true);
    patches_norm_ = layer_norm("stem.1", dims[0]);
    for (size_t s = 0; s < dims.size(); ++s) make_stage("stages." + std::to_string(s), s, depths, dims, config);
    norm_ = layer_norm("head.norm", dim);
    if (classes > 0) classifier_ = linear("head.fc", classes, dim);
  }

  ImageValues forward(Ops& ops, const Value& pixels) const override {
    Value x = ops.layer_norm(ops.conv2d(pixels, *patches_, {.stride = patch_}), *patches_norm_, kEpsilon);
    for (const Stage& stage : stages_) {
      if (stage.halve) x = ops.conv2d(ops.layer_norm(x, *stage.norm, kEpsilon), *stage.halve, {.stride = 2});
      for (const auto& block : stage.blocks) x = block->forward(ops, x);
    }
    ImageValues values;
    values.feature_map = x;  // the last norm comes after pooling
    values.features = ops.layer_norm(ops.global_pool(x), *norm_, epsilon_);
    if (classifier_) values.logits = ops.linear(values.features, *classifier_);
    return values;
  }

 private:
  struct Stage {
    std::shared_ptr<Layer> norm, halve;
    std::vector<std::shared_ptr<ConvNextBlock>> blocks;
  };

  /// Later blocks are dropped more often, the last at drop_path_rate.
  void make_stage(const std::string& name, size_t s, const std::vector<int>& depths, const std::vector<int>& dims,
                  const NetworkConfig& config) {
    Stage stage;
    if (s > 0) {
      stage.norm = layer_norm(name + ".downsample.0", dims[s - 1]);
      stage.halve = conv(name + ".downsample.1", dims[s], dims[s - 1], 2, true);
    }
    const auto first = depths.begin();
    const int before = std::accumulate(first, first + static_cast<ptrdiff_t>(s), 0);
    const int count = std::accumulate(first, depths.end(), 0);
    const double step = dropout_of(config, "drop_path_rate", 0) / std::max(count - 1, 1);
    for (int b = 0; b < depths[s]; ++b) {
      const std::string block = name + ".blocks." + std::to_string(b);
      stage.blocks.push_back(make<ConvNextBlock>(block, dims[s], config, step * (before + b)));
    }
    stages_.push_back(std::move(stage));
  }

  int patch_;
  double epsilon_;
  std::shared_ptr<Layer> patches_, patches_norm_, norm_, classifier_;
  std::vector<Stage> stages_;
};

std::vector<KeyRule> torchvision_rules(const NetworkConfig& config) {
  std::vector<KeyRule> rules{{"stem.0", "features.0.0"},
                             {"stem.1", "features.0.1"},
                             {"head.norm", "classifier.0"},
                             {"head.fc", "classifier.2"}};
  const size_t stages = config.sizes("depths").size();
  for (size_t s = 0; s < stages; ++s) {
    const std::string ours = "stages." + std::to_string(s), theirs = "features." + std::to_string(2 * s + 1) + ".{}.";
    const std::string block = ours + ".blocks.{}.";
    rules.insert(rules.end(), {{ours + ".downsample", "features." + std::to_string(2 * s)},
                               {block + "gamma", theirs + "layer_scale++"},
                               {block + "conv_dw", theirs + "block.0"},
                               {block + "norm", theirs + "block.2"},
                               {block + "mlp.fc1", theirs + "block.3"},
                               {block + "mlp.fc2", theirs + "block.5"}});
  }
  return rules;
}

std::vector<KeyRule> transformers_rules(const std::string& prefix) {
  const std::string block = "stages.{}.blocks.{}.", theirs = prefix + "encoder.stages.{}.layers.{}.";
  return {{"stem.0", prefix + "embeddings.patch_embeddings"},
          {"stem.1", prefix + "embeddings.layernorm"},
          {"stages.{}.downsample", prefix + "encoder.stages.{}.downsampling_layer"},
          {block + "gamma", theirs + "layer_scale_parameter"},
          {block + "conv_dw", theirs + "dwconv"},
          {block + "norm", theirs + "layernorm"},
          {block + "mlp.fc1", theirs + "pwconv1"},
          {block + "mlp.fc2", theirs + "pwconv2"},
          {"head.norm", prefix + "layernorm"},
          {"head.fc", "classifier"}};
}

NetworkConfig variant(std::vector<int64_t> depths, std::vector<int64_t> dims) {
  return {{"depths", std::move(depths)}, {"hidden_sizes", std::move(dims)}};
}

}  // namespace

ImageFamily convnext_family() {
  return {
      "convnext",
      {{"convnext_tiny", variant({3, 3, 9, 3}, {96, 192, 384, 768})},
       {"convnext_small", variant({3, 3, 27, 3}, {96, 192, 384, 768})},
       {"convnext_base", variant({3, 3, 27, 3}, {128, 256, 512, 1024})},
       {"convnext_large", variant({3, 3, 27, 3}, {192, 384, 768, 1536})},
       {"convnext_xlarge", variant({3, 3, 27, 3}, {256, 512, 1024, 2048})}},
      [](const NetworkConfig& config) -> std::shared_ptr<ImageModule> { return std::make_shared<ConvNext>(config); },
      {{"torchvision", "features.1.0.block", torchvision_rules},
       {"transformers", "convnext.embeddings", [](const NetworkConfig&) { return transformers_rules("convnext."); }},
       {"transformers base", "embeddings.patch_embeddings",
        [](const NetworkConfig&) { return transformers_rules(""); }}}};
}

}  // namespace pictrieve
