#include <cmath>

#include "pictrieve/base/error.h"
#include "pictrieve/nn/convolutional.h"
#include "pictrieve/nn/efficientnet.h"
#include "pictrieve/nn/network_settings.h"

namespace pictrieve {
namespace {

using Sizes = std::vector<int64_t>;
constexpr int kStem = 32;
constexpr int kHead = 1280;
constexpr int kMostBlocks = 1 << 12;
constexpr double kMostScale = 64;

/// Table 1 of the paper.
NetworkConfig base_network() {
  return {{"num_block_repeats", Sizes{1, 2, 2, 3, 3, 4, 1}},
          {"kernel_sizes", Sizes{3, 3, 5, 3, 5, 5, 3}},
          {"strides", Sizes{1, 2, 2, 2, 1, 2, 1}},
          {"expand_ratios", Sizes{1, 6, 6, 6, 6, 6, 6}},
          {"out_channels", Sizes{16, 24, 40, 80, 112, 192, 320}}};
}

int scaled(int channels, const NetworkConfig& config) {
  const double width = config.number("width_coefficient", 1);
  require(width > 0 && width <= kMostScale, "network configuration: width_coefficient: expected more than 0, at most ",
          kMostScale, ", got ", width);
  return scaled_channels(channels, width);
}

std::string numbered(const std::string& prefix, int number) { return prefix + std::to_string(number); }

/// lukemelas/EfficientNet-PyTorch numbers blocks from the first to the last and writes an underscore before each part.
std::vector<KeyRule> underscore_rules(const NetworkConfig& config) {
  std::vector<KeyRule> rules{{"conv_stem", "_conv_stem"},
                             {"bn1", "_bn0"},
                             {"conv_head", "_conv_head"},
                             {"bn2", "_bn1"},
                             {"classifier", "_fc"}};
  int flat = 0;
  const auto stages = efficientnet_stages(config);
  for (size_t s = 0; s < stages.size(); ++s) {
    for (int b = 0; b < stages[s].blocks; ++b) {
      const std::string ours = numbered("blocks.", static_cast<int>(s)) + numbered(".", b) + ".";
      const std::string theirs = numbered("_blocks.", flat++) + "._";
      const auto rule = [&](const char* our, const char* their) { rules.push_back({ours + our, theirs + their}); };
      const bool expands = stages[s].expansion > 1;
      if (expands) {
        rule("conv_pw", "expand_conv");
        rule("bn1", "bn0");
      }
      rule("conv_dw", "depthwise_conv");
      rule(expands ? "bn2" : "bn1", "bn1");
      rule("se.conv_reduce", "se_reduce");
      rule("se.conv_expand", "se_expand");
      rule(expands ? "conv_pwl" : "conv_pw", "project_conv");
      rule(expands ? "bn3" : "bn2", "bn2");
    }
  }
  return rules;
}

std::vector<KeyRule> torchvision_rules(const NetworkConfig& config) {
  const auto stages = efficientnet_stages(config);
  const int count = static_cast<int>(stages.size());
  std::vector<KeyRule> rules{{"conv_stem", "features.0.0"},
                             {"bn1", "features.0.1"},
                             {"conv_head", numbered("features.", count + 1) + ".0"},
                             {"bn2", numbered("features.", count + 1) + ".1"},
                             {"classifier", "classifier.1"}};
  const bool squeezes = config.number("squeeze_expansion_ratio", 0.25) > 0;
  for (int s = 0; s < count; ++s) {
    const std::string ours = numbered("blocks.", s) + ".{}.", theirs = numbered("features.", s + 1) + ".{}.block.";
    int part = 0;
    const auto rules_of = [&](const char* our_conv, const char* our_norm) {
      rules.push_back({ours + our_conv, numbered(theirs, part) + ".0"});
      rules.push_back({ours + our_norm, numbered(theirs, part++) + ".1"});
    };
    const bool expands = stages[static_cast<size_t>(s)].expansion > 1;
    if (expands) rules_of("conv_pw", "bn1");
    rules_of("conv_dw", expands ? "bn2" : "bn1");
    if (squeezes) {
      rules.push_back({ours + "se.conv_reduce", numbered(theirs, part) + ".fc1"});
      rules.push_back({ours + "se.conv_expand", numbered(theirs, part++) + ".fc2"});
    }
    rules_of(expands ? "conv_pwl" : "conv_pw", expands ? "bn3" : "bn2");
  }
  return rules;
}

}  // namespace

std::vector<EfficientNetStage> efficientnet_stages(const NetworkConfig& own) {
  const NetworkConfig config = own.with_defaults(base_network());
  const size_t count = config.sizes("num_block_repeats").size();
  const auto list = [&](const char* name) { return counts_of(config, name, count); };
  const std::vector<int> repeats = list("num_block_repeats"), kernels = list("kernel_sizes"), strides = list("strides"),
                         expansions = list("expand_ratios"), channels = list("out_channels");
  const double depth = config.number("depth_coefficient", 1);
  std::vector<EfficientNetStage> stages;
  for (size_t s = 0; s < count; ++s) {
    const bool fixed = config.flag("fixed_ends", false) && (s == 0 || s + 1 == count);
    const double blocks = std::ceil(repeats[s] * (fixed ? 1 : depth));
    require(blocks >= 1 && blocks <= kMostBlocks, "network configuration: stage ", s, ": expected 1 to ", kMostBlocks,
            " blocks, got ", blocks);
    stages.push_back({static_cast<int>(blocks), kernels[s], strides[s], expansions[s], scaled(channels[s], config)});
  }
  return stages;
}

int efficientnet_stem(const NetworkConfig& config) {
  return config.flag("fixed_ends", false) ? kStem : scaled(kStem, config);
}

int efficientnet_head(const NetworkConfig& config) {
  return config.has("hidden_dim") ? config.size("hidden_dim") : scaled(kHead, config);
}

std::map<std::string, NetworkConfig> efficientnet_variants() {
  struct Size {
    double width, depth;
    int64_t image, timm_image;  // timm trained its own, with symmetric padding, on other sizes
  };
  constexpr Size kSizes[] = {
      {1.0, 1.0, 224, 224}, {1.0, 1.1, 240, 240}, {1.1, 1.2, 260, 256}, {1.2, 1.4, 300, 288}, {1.4, 1.8, 380, 320}};
  std::map<std::string, NetworkConfig> variants;
  for (int i = 0; i < 5; ++i) {
    const auto& [width, depth, image, timm_image] = kSizes[i];
    NetworkConfig scaled = base_network();
    scaled.set("width_coefficient", width);
    scaled.set("depth_coefficient", depth);
    scaled.set("image_size", timm_image);
    variants[numbered("efficientnet_b", i)] = scaled;

    scaled.set("image_size", image);
    scaled.set("padding", std::string("same"));
    scaled.set("batch_norm_eps", 1e-3);
    variants[numbered("tf_efficientnet_b", i)] = scaled;

    scaled.set("squeeze_expansion_ratio", 0.0);
    scaled.set("hidden_act", std::string("relu6"));
    scaled.set("hidden_dim", int64_t{kHead});
    scaled.set("fixed_ends", true);
    for (const char* name : {"efficientnet_lite", "tf_efficientnet_lite"}) variants[numbered(name, i)] = scaled;
  }
  return variants;
}

std::vector<Layout> efficientnet_layouts() {
  return {{"lukemelas", "_conv_stem", underscore_rules}, {"torchvision", "features.0.0", torchvision_rules}};
}

}  // namespace pictrieve
