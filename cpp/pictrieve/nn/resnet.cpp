// Residual networks (He et al., arXiv:1512.03385), wide ones (arXiv:1605.07146) and ResNeXt (arXiv:1611.05431), with
// torchvision's names. Reads depths and hidden_sizes (blocks and channels of each stage), embedding_size (channels of
// the stem), layer_type ("bottleneck" or "basic"), groups, width_per_group, hidden_act, downsample_in_first_stage,
// downsample_in_bottleneck (the stride is in a bottleneck's first convolution, as in the paper, not in its second),
// batch_norm_eps, num_classes.
#include <limits>
#include <string>
#include <vector>

#include "pictrieve/base/error.h"
#include "pictrieve/nn/families.h"
#include "pictrieve/nn/network_settings.h"
#include "pictrieve/nn/resnet.h"

namespace pictrieve {
namespace {

constexpr int kStem = 64;
constexpr int kExpansion = 4;    // channels out of a bottleneck for each within
constexpr int kGroupWidth = 64;  // of the plain network
constexpr int kInputSize = 224;
constexpr int kLeastSize = 5;  // oneDNN refuses a 7 x 7 kernel on pictures that it covers from its middle to the edge

bool has_bottlenecks(const NetworkConfig& config) {
  const std::string type = config.word("layer_type", "bottleneck");
  require(type == "bottleneck" || type == "basic",
          "network configuration: layer_type: expected 'bottleneck' or 'basic', got '", type, "'");
  return type == "bottleneck";
}

double epsilon_of(const NetworkConfig& config) { return config.number("batch_norm_eps", 1e-5); }

/// Channels within a bottleneck that gives `out`.
int inner_width(int out, const NetworkConfig& config) {
  require(out % kExpansion == 0, "network configuration: hidden_sizes: expected multiples of ", kExpansion, ", got ",
          out);
  const int64_t groups = config.size("groups", 1), width = config.size("width_per_group", kGroupWidth);
  const int64_t inner = out / kExpansion * width / kGroupWidth * groups;
  require(inner >= groups && inner <= std::numeric_limits<int>::max(),
          "network configuration: width_per_group: expected groups of a channel or more, got ", width);
  return static_cast<int>(inner);
}

}  // namespace

class ResidualBlock : public Block {
 public:
  ResidualBlock(int in, int out, int stride, const NetworkConfig& config)
      : epsilon_(epsilon_of(config)), activation_(activation_named(config.word("hidden_act", "relu"))) {
    if (has_bottlenecks(config)) {
      const int wide = inner_width(out, config);
      const bool early = config.flag("downsample_in_bottleneck", false);
      add(wide, in, 1, {.stride = early ? stride : 1});
      add(wide, wide, 3, {.stride = early ? 1 : stride, .groups = config.size("groups", 1)});
      add(out, wide, 1, {});
    } else {
      add(out, in, 3, {.stride = stride});
      add(out, out, 3, {});
    }
    convolutions_.back().activation = Activation::None;
    if (stride != 1 || in != out)
      shortcut_.push_back(
          {conv("downsample.0", out, in, 1), batch_norm("downsample.1", out, epsilon_of(config)), {.stride = stride}});
  }

  Value forward(Ops& ops, const Value& input) const {
    Value x = input, kept = input;
    for (const ConvNorm& convolution : convolutions_) x = convolution.forward(ops, x);
    for (const ConvNorm& projection : shortcut_) kept = projection.forward(ops, kept);
    return ops.activate(ops.add(x, kept), activation_);
  }

 private:
  void add(int out, int in, int kernel, ConvOptions options) {
    const std::string number = std::to_string(convolutions_.size() + 1);
    options.padding = Padding::of(kernel / 2);
    convolutions_.push_back({conv("conv" + number, out, in / options.groups, kernel),
                             batch_norm("bn" + number, out, epsilon_), options, Activation::Relu});
  }

  double epsilon_;
  Activation activation_;
  std::vector<ConvNorm> convolutions_;
  std::vector<ConvNorm> shortcut_;  // none where the input is added as it is
};

ResNet::ResNet(const NetworkConfig& config) {
  int in = config.size("embedding_size", kStem);
  stem_ = {conv("conv1", in, 3, 7),
           batch_norm("bn1", in, epsilon_of(config)),
           {.stride = 2, .padding = Padding::of(3)},
           activation_named(config.word("hidden_act", "relu"))};
  const std::vector<int> widths = config.sizes("hidden_sizes");
  const std::vector<int> depths = counts_of(config, "depths", widths.size());
  for (size_t s = 0; s < widths.size(); ++s) {
    const bool shrinks = s > 0 || config.flag("downsample_in_first_stage", false);
    stages_.emplace_back();
    for (int i = 0; i < depths[s]; ++i) {
      const std::string name = "layer" + std::to_string(s + 1) + "." + std::to_string(i);
      stages_.back().push_back(make<ResidualBlock>(name, in, widths[s], shrinks && i == 0 ? 2 : 1, config));
      in = widths[s];
    }
  }
  dim = in;
  classes = classes_of(config);
  input_size = kInputSize;
  least_size = kLeastSize;
  if (classes > 0) classifier_ = linear("fc", classes, dim);
}

ResNet::~ResNet() = default;

std::vector<Value> ResNet::stages(Ops& ops, const Value& pixels) const {
  Value x = ops.max_pool(stem_.forward(ops, pixels), {.kernel = 3, .stride = 2, .padding = Padding::of(1)});
  std::vector<Value> after;
  for (const auto& stage : stages_) {
    for (const auto& block : stage) x = block->forward(ops, x);
    after.push_back(x);
  }
  return after;
}

ImageValues ResNet::forward(Ops& ops, const Value& pixels) const {
  const Value x = stages(ops, pixels).back();
  ImageValues values{x, ops.global_pool(x), {}};
  if (classifier_) values.logits = ops.linear(values.features, *classifier_);
  return values;
}

namespace {

using Sizes = std::vector<int64_t>;

NetworkConfig basic(const Sizes& depths) {
  return {{"layer_type", "basic"}, {"depths", depths}, {"hidden_sizes", Sizes{64, 128, 256, 512}}};
}

NetworkConfig bottleneck(const Sizes& depths, int64_t groups = 1, int64_t width_per_group = kGroupWidth) {
  return {{"depths", depths},
          {"hidden_sizes", Sizes{256, 512, 1024, 2048}},
          {"groups", groups},
          {"width_per_group", width_per_group}};
}

std::map<std::string, NetworkConfig> variants() {
  const Sizes of18{2, 2, 2, 2}, of50{3, 4, 6, 3}, of101{3, 4, 23, 3}, of152{3, 8, 36, 3};
  return {{"resnet18", basic(of18)},
          {"resnet34", basic(of50)},
          {"resnet50", bottleneck(of50)},
          {"resnet101", bottleneck(of101)},
          {"resnet152", bottleneck(of152)},
          {"resnext50_32x4d", bottleneck(of50, 32, 4)},
          {"resnext101_32x8d", bottleneck(of101, 32, 8)},
          {"resnext101_64x4d", bottleneck(of101, 64, 4)},
          {"wide_resnet50_2", bottleneck(of50, 1, 128)},
          {"wide_resnet101_2", bottleneck(of101, 1, 128)}};
}

/// The names of transformers' ResNet; those of a network without classifier lack the `prefix`.
std::vector<KeyRule> transformers_rules(const NetworkConfig& config, const std::string& prefix) {
  std::vector<KeyRule> rules{{"conv1", prefix + "embedder.embedder.convolution"},
                             {"bn1", prefix + "embedder.embedder.normalization"},
                             {"fc", "classifier.1"}};
  const int convolutions = has_bottlenecks(config) ? 3 : 2;
  for (size_t s = 0; s < config.sizes("hidden_sizes").size(); ++s) {
    const std::string ours = "layer" + std::to_string(s + 1) + ".{}.";
    const std::string theirs = prefix + "encoder.stages." + std::to_string(s) + ".layers.{}.";
    for (int c = 0; c < convolutions; ++c) {
      const std::string layer = theirs + "layer." + std::to_string(c);
      rules.push_back({ours + "conv" + std::to_string(c + 1), layer + ".convolution"});
      rules.push_back({ours + "bn" + std::to_string(c + 1), layer + ".normalization"});
    }
    rules.push_back({ours + "downsample.0", theirs + "shortcut.convolution"});
    rules.push_back({ours + "downsample.1", theirs + "shortcut.normalization"});
  }
  return rules;
}

}  // namespace

ImageFamily resnet_family() {
  return {"resnet",
          variants(),
          [](const NetworkConfig& config) -> std::shared_ptr<ImageModule> { return std::make_shared<ResNet>(config); },
          {{"transformers", "resnet.embedder",
            [](const NetworkConfig& config) { return transformers_rules(config, "resnet."); }},
           {"transformers backbone", "embedder.embedder",
            [](const NetworkConfig& config) { return transformers_rules(config, ""); }}}};
}

}  // namespace pictrieve
