// SqueezeNet (Iandola et al., arXiv:1602.07360) with torchvision's names. Reads version ("1_0" or "1_1"), dropout,
// num_classes.
#include <string>
#include <vector>

#include "pictrieve/base/error.h"
#include "pictrieve/nn/convolutional.h"
#include "pictrieve/nn/families.h"
#include "pictrieve/nn/network_settings.h"

namespace pictrieve {
namespace {

constexpr double kDropout = 0.5;
constexpr int kInputSize = 224;
constexpr PoolOptions kPool{.kernel = 3, .stride = 2, .ceil = true};

/// Few channels by 1x1, then many by 1x1 and 3x3 side by side.
class Fire : public Block {
 public:
  Fire(int in, int few, int many)
      : squeeze_{conv("squeeze", few, in, 1, true), {}, {}, Activation::Relu},
        narrow_{conv("expand1x1", many, few, 1, true), {}, {}, Activation::Relu},
        wide_{conv("expand3x3", many, few, 3, true), {}, {.padding = Padding::of(1)}, Activation::Relu} {}

  Value forward(Ops& ops, const Value& input) const {
    const Value x = squeeze_.forward(ops, input);
    return ops.concat({narrow_.forward(ops, x), wide_.forward(ops, x)});
  }

 private:
  ConvNorm squeeze_, narrow_, wide_;
};

struct FireWidths {
  int few, many;
};

// Table 1 of the paper; zeros stand for the pools between.
constexpr FireWidths kVersion10[] = {{16, 64},  {16, 64},  {32, 128}, {0, 0}, {32, 128},
                                     {48, 192}, {48, 192}, {64, 256}, {0, 0}, {64, 256}};
constexpr FireWidths kVersion11[] = {{16, 64}, {16, 64},  {0, 0},    {32, 128}, {32, 128},
                                     {0, 0},   {48, 192}, {48, 192}, {64, 256}, {64, 256}};

class SqueezeNet : public ImageModule {
 public:
  explicit SqueezeNet(const NetworkConfig& config) : dropout_(dropout_of(config, "dropout", kDropout)) {
    const std::string version = config.word("version", "1_1");
    require(version == "1_0" || version == "1_1", "network configuration: version: expected '1_0' or '1_1', got '",
            version, "'");
    const bool first = version == "1_0";
    least_size = first ? 21 : 17;
    dim = first ? 96 : 64;
    stem_ = {conv("features.0", dim, 3, first ? 7 : 3, true), {}, {.stride = 2}, Activation::Relu};
    int place = 3;  // after the stem's activation and pool
    for (const FireWidths& widths : first ? kVersion10 : kVersion11) {
      const std::string name = "features." + std::to_string(place++);
      fires_.push_back(widths.few == 0 ? nullptr : make<Fire>(name, dim, widths.few, widths.many));
      if (widths.few != 0) dim = 2 * widths.many;
    }
    classes = classes_of(config);
    input_size = kInputSize;
    if (classes > 0) classifier_ = conv("classifier.1", classes, dim, 1, true);
  }

  ImageValues forward(Ops& ops, const Value& pixels) const override {
    Value x = ops.max_pool(stem_.forward(ops, pixels), kPool);
    for (const auto& fire : fires_) x = fire ? fire->forward(ops, x) : ops.max_pool(x, kPool);
    ImageValues values{x, ops.global_pool(x), {}};
    if (!classifier_) return values;
    const Value scores = ops.conv2d(ops.dropout(x, dropout_), *classifier_, {});
    values.logits = ops.global_pool(ops.activate(scores, Activation::Relu));
    return values;
  }

 private:
  double dropout_;
  ConvNorm stem_;
  std::vector<std::shared_ptr<Fire>> fires_;  // none stands for a pool
  std::shared_ptr<Layer> classifier_;
};

}  // namespace

ImageFamily squeezenet_family() {
  return {
      "squeezenet",
      {{"squeezenet1_0", {{"version", "1_0"}}}, {"squeezenet1_1", {{"version", "1_1"}}}},
      [](const NetworkConfig& config) -> std::shared_ptr<ImageModule> { return std::make_shared<SqueezeNet>(config); }};
}

}  // namespace pictrieve
