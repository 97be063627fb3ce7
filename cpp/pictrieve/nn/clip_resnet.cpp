// The ResNet image towers of CLIP (Radford et al., arXiv:2103.00020, section 2.4), parameters named as in OpenAI's
// code and open_clip. Reads layers, width, image_size, embed_dim, and heads (width / 2 where not given).
#include <string>
#include <vector>

#include "pictrieve/base/error.h"
#include "pictrieve/nn/convolutional.h"
#include "pictrieve/nn/families.h"
#include "pictrieve/nn/network_settings.h"

namespace pictrieve {
namespace {

constexpr int kExpansion = 4;
constexpr int kCell = 32;  // pixels of the input behind each pixel of the feature map
constexpr ConvOptions kSame3x3{.padding = {1, 1}};

PoolOptions halving(int stride) { return {.kernel = stride, .stride = stride}; }

/// A bottleneck whose strided convolutions are preceded by average pools (Zhang, arXiv:1904.11486).
class ClipBottleneck : public Block {
 public:
  ClipBottleneck(int in, int planes, int stride) : stride_(stride) {
    const int out = kExpansion * planes;
    reduce_ = {conv("conv1", planes, in, 1), batch_norm("bn1", planes), {}, Activation::Relu};
    filter_ = {conv("conv2", planes, planes, 3), batch_norm("bn2", planes), kSame3x3, Activation::Relu};
    expand_ = {conv("conv3", out, planes, 1), batch_norm("bn3", out)};
    if (stride > 1 || in != out) shortcut_ = {conv("downsample.0", out, in, 1), batch_norm("downsample.1", out)};
  }

  Value forward(Ops& ops, const Value& input) const {
    const Value filtered = halved(ops, filter_.forward(ops, reduce_.forward(ops, input)));
    const Value shortcut = shortcut_.conv ? shortcut_.forward(ops, halved(ops, input)) : input;
    return ops.activate(ops.add(expand_.forward(ops, filtered), shortcut), Activation::Relu);
  }

 private:
  Value halved(Ops& ops, const Value& x) const { return stride_ > 1 ? ops.avg_pool(x, halving(stride_)) : x; }

  int stride_;
  ConvNorm reduce_, filter_, expand_, shortcut_;
};

/// The mean of all pixels asks, and the pixels and the mean answer; each has a learned place.
class PictureAttentionPool : public Block {
 public:
  PictureAttentionPool(int64_t side, int dim, int heads, int out) : side_(side), heads_(heads) {
    parameter("positional_embedding", places_, {side * side + 1, dim});
    key_ = linear("k_proj", dim, dim);
    query_ = linear("q_proj", dim, dim);
    value_ = linear("v_proj", dim, dim);
    output_ = linear("c_proj", out, dim);
  }

  Value forward(Ops& ops, const Value& x) const {
    const Value mean = ops.global_pool(x);
    // W (mean + place) + bias is W mean + (W place + bias): the mean's place goes into the bias.
    const auto of_mean = [&](const Layer& layer) {
      return ops.linear(mean, layer.weight, layer.weight.matmul(places_[0]) + layer.bias);
    };
    const Value pixels = ops.tokens(ops.add_grid(x, grid()));
    const Value keys = ops.join({of_mean(*key_), ops.linear(pixels, *key_)});
    const Value values = ops.join({of_mean(*value_), ops.linear(pixels, *value_)});
    return ops.linear(ops.attention_pool(of_mean(*query_), keys, values, heads_), *output_);
  }

 private:
  /// The places of the pixels. It outlives the block where a graph keeps it, so it holds what it needs.
  GridFunction grid() const {
    return [places = places_, side = side_](int64_t height, int64_t width) {
      require(height == side && width == side, "CLIP ResNet: expected pictures of ", side * kCell, " x ", side * kCell,
              " pixels, as its table of places has ", side, " x ", side, " of them, got about ", height * kCell, " x ",
              width * kCell, "; resize the pictures");
      return places.narrow(0, 1, height * width);
    };
  }

  int64_t side_;
  int heads_;
  torch::Tensor places_;
  std::shared_ptr<Layer> key_, query_, value_, output_;
};

class ClipResNet : public ImageModule {
 public:
  explicit ClipResNet(const NetworkConfig& config) {
    const int width = config.size("width");
    const int heads = config.size("heads", std::max(width / 2, 1));
    dim = config.size("embed_dim");
    input_size = least_size = config.size("image_size", 224);
    check(config, width, heads);
    make_stem(width);
    const std::vector<int> layers = counts_of(config, "layers", 4);
    int in = width;
    for (size_t s = 0; s < layers.size(); ++s) {
      const int planes = width << s;
      for (int b = 0; b < layers[s]; ++b) {
        const std::string name = "layer" + std::to_string(s + 1) + "." + std::to_string(b);
        blocks_.push_back(make<ClipBottleneck>(name, in, planes, s > 0 && b == 0 ? 2 : 1));
        in = kExpansion * planes;
      }
    }
    pool_ = make<PictureAttentionPool>("attnpool", input_size / kCell, in, heads, dim);
  }

  ImageValues forward(Ops& ops, const Value& pixels) const override {
    Value x = pixels;
    for (const ConvNorm& part : stem_) x = part.forward(ops, x);
    x = ops.avg_pool(x, halving(2));
    for (const auto& block : blocks_) x = block->forward(ops, x);
    return {.feature_map = x, .features = pool_->forward(ops, x), .logits = {}};
  }

 private:
  static void check(const NetworkConfig& config, int width, int heads) {
    require(width % 2 == 0 && kCell * width % heads == 0,
            "network configuration: expected an even width, and heads that divide 32 widths, got width ", width,
            " and heads ", heads);
    require(config.size("image_size", 224) >= kCell, "network configuration: image_size: expected at least ", kCell,
            ", got ", config.size("image_size", 224));
  }

  void make_stem(int width) {
    const int channels[] = {3, width / 2, width / 2, width};
    for (int i = 1; i <= 3; ++i) {
      const std::string number = std::to_string(i);
      ConvOptions options = kSame3x3;
      options.stride = i == 1 ? 2 : 1;
      stem_.push_back({conv("conv" + number, channels[i], channels[i - 1], 3), batch_norm("bn" + number, channels[i]),
                       options, Activation::Relu});
    }
  }

  std::vector<ConvNorm> stem_;
  std::vector<std::shared_ptr<ClipBottleneck>> blocks_;
  std::shared_ptr<PictureAttentionPool> pool_;
};

NetworkConfig variant(std::vector<int64_t> layers, int64_t width, int64_t image_size, int64_t embed_dim) {
  return {{"layers", std::move(layers)}, {"width", width}, {"image_size", image_size}, {"embed_dim", embed_dim}};
}

/// A whole CLIP: the text tower and the numbers of OpenAI's archives stay out.
std::vector<KeyRule> whole_clip_rules(const NetworkConfig&) {
  std::vector<KeyRule> rules{{"{}", "visual.{}"}};
  for (const char* other : {"transformer", "token_embedding", "positional_embedding", "ln_final", "text_projection",
                            "logit_scale", "input_resolution", "context_length", "vocab_size"})
    rules.push_back({"", other});
  return rules;
}

}  // namespace

ImageFamily clip_resnet_family() {
  return {
      "clip_resnet",
      {{"RN50", variant({3, 4, 6, 3}, 64, 224, 1024)},
       {"RN101", variant({3, 4, 23, 3}, 64, 224, 512)},
       {"RN50x4", variant({4, 6, 10, 6}, 80, 288, 640)},
       {"RN50x16", variant({6, 8, 18, 8}, 96, 384, 768)},
       {"RN50x64", variant({3, 15, 36, 10}, 128, 448, 1024)}},
      [](const NetworkConfig& config) -> std::shared_ptr<ImageModule> { return std::make_shared<ClipResNet>(config); },
      {{"open_clip", "visual.attnpool", whole_clip_rules}}};
}

}  // namespace pictrieve
