// VGG (Simonyan and Zisserman, arXiv:1409.1556) with torchvision's names. Reads depths and hidden_sizes (convolutions
// and channels of each stage), batch_norm, intermediate_size (of the classifier's two hidden layers), dropout,
// num_classes.
#include <string>
#include <vector>

#include "pictrieve/nn/convolutional.h"
#include "pictrieve/nn/families.h"
#include "pictrieve/nn/network_settings.h"

namespace pictrieve {
namespace {

constexpr int kGrid = 7;  // the classifier reads the last map as 7 x 7 cells
constexpr int kHidden = 4096;
constexpr double kDropout = 0.5;
constexpr int kInputSize = 224;

class Vgg : public ImageModule {
 public:
  explicit Vgg(const NetworkConfig& config) : dropout_(dropout_of(config, "dropout", kDropout)) {
    add_stages(config);
    classes = classes_of(config);
    input_size = kInputSize;
    least_size = 1 << stages_.size();
    if (classes == 0) return;
    const int wide = config.size("intermediate_size", kHidden);
    layers_ = {linear("classifier.0", wide, static_cast<int64_t>(dim) * kGrid * kGrid),
               linear("classifier.3", wide, wide)};
    classifier_ = linear("classifier.6", classes, wide);
  }

  ImageValues forward(Ops& ops, const Value& pixels) const override {
    Value x = pixels;
    for (const auto& stage : stages_) {
      for (const ConvNorm& convolution : stage) x = convolution.forward(ops, x);
      x = ops.max_pool(x, {});
    }
    ImageValues values{x, ops.global_pool(x), {}};
    if (!classifier_) return values;
    x = ops.flatten(ops.adaptive_avg_pool(x, kGrid, kGrid));
    for (const auto& layer : layers_) x = ops.dropout(ops.activate(ops.linear(x, *layer), Activation::Relu), dropout_);
    values.logits = ops.linear(x, *classifier_);
    return values;
  }

 private:
  void add_stages(const NetworkConfig& config) {
    const std::vector<int> widths = config.sizes("hidden_sizes");
    const std::vector<int> depths = counts_of(config, "depths", widths.size());
    const bool with_norm = config.flag("batch_norm", false);
    int place = 0, in = 3;  // places in torchvision's list, where activations and pools count
    for (size_t s = 0; s < widths.size(); ++s, ++place) {
      auto& stage = stages_.emplace_back();
      for (int i = 0; i < depths[s]; ++i) {
        const auto name = [&] { return "features." + std::to_string(place++); };
        ConvNorm convolution{conv(name(), widths[s], in, 3, true)};
        if (with_norm) convolution.norm = batch_norm(name(), widths[s]);
        convolution.options.padding = Padding::of(1);
        convolution.activation = Activation::Relu;
        stage.push_back(std::move(convolution));
        in = widths[s];
        ++place;
      }
    }
    dim = in;
  }

  double dropout_;
  std::vector<std::vector<ConvNorm>> stages_;
  std::vector<std::shared_ptr<Layer>> layers_;
  std::shared_ptr<Layer> classifier_;
};

/// timm has convolutions for the classifier's hidden layers, and keeps these without a classifier too.
std::vector<KeyRule> timm_rules(const NetworkConfig& config) {
  if (classes_of(config) == 0) return {{"", "pre_logits"}};
  return {{"classifier.0", "pre_logits.fc1@7"}, {"classifier.3", "pre_logits.fc2++"}, {"classifier.6", "head.fc"}};
}

using Sizes = std::vector<int64_t>;

std::map<std::string, NetworkConfig> variants() {
  const std::map<std::string, Sizes> depths{
      {"vgg11", {1, 1, 2, 2, 2}}, {"vgg13", {2, 2, 2, 2, 2}}, {"vgg16", {2, 2, 3, 3, 3}}, {"vgg19", {2, 2, 4, 4, 4}}};
  std::map<std::string, NetworkConfig> made;
  for (const auto& [name, counts] : depths) {
    NetworkConfig config{{"depths", counts}, {"hidden_sizes", Sizes{64, 128, 256, 512, 512}}};
    made[name] = config;
    config.set("batch_norm", true);
    made[name + "_bn"] = config;
  }
  return made;
}

}  // namespace

ImageFamily vgg_family() {
  return {"vgg",
          variants(),
          [](const NetworkConfig& config) -> std::shared_ptr<ImageModule> { return std::make_shared<Vgg>(config); },
          {{"timm", "pre_logits.fc1", timm_rules}}};
}

}  // namespace pictrieve
