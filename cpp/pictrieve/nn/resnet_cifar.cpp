// The small residual networks for 32-pixel pictures of He et al., arXiv:1512.03385, section 4.2: three stages of
// `num_blocks` basic blocks of 16, 32 and 64 channels. Shortcuts have no parameters ("option A"): every second pixel,
// with channels of zeros around. Names as in the usual PyTorch checkpoints. Reads num_blocks, num_classes (10 unless
// set).
#include <string>
#include <vector>

#include "pictrieve/nn/convolutional.h"
#include "pictrieve/nn/families.h"
#include "pictrieve/nn/network_settings.h"

namespace pictrieve {
namespace {

constexpr int kWidths[] = {16, 32, 64};
constexpr int64_t kClasses = 10;
constexpr int kInputSize = 32;

class CifarBlock : public Block {
 public:
  CifarBlock(int in, int out, int stride)
      : first_{conv("conv1", out, in, 3),
               batch_norm("bn1", out),
               {.stride = stride, .padding = Padding::of(1)},
               Activation::Relu},
        second_{conv("conv2", out, out, 3), batch_norm("bn2", out), {.padding = Padding::of(1)}},
        in_(in),
        out_(out),
        stride_(stride) {}

  Value forward(Ops& ops, const Value& x) const {
    const Value changed = second_.forward(ops, first_.forward(ops, x));
    return ops.activate(ops.add(changed, in_ == out_ ? x : shortcut(ops, x)), Activation::Relu);
  }

 private:
  Value shortcut(Ops& ops, const Value& x) const {
    const int before = (out_ - in_) / 2;
    const torch::Tensor placed =
        torch::constant_pad_nd(torch::eye(in_, first_.conv->weight.options()), {0, 0, before, out_ - in_ - before});
    return ops.linear(ops.max_pool(x, {.kernel = 1, .stride = stride_}), placed, {});
  }

  ConvNorm first_, second_;
  int in_, out_, stride_;
};

class CifarResNet : public ImageModule {
 public:
  explicit CifarResNet(const NetworkConfig& config)
      : stem_{conv("conv1", kWidths[0], 3, 3),
              batch_norm("bn1", kWidths[0]),
              {.padding = Padding::of(1)},
              Activation::Relu} {
    const int repeats = count_of(config, "num_blocks");
    int in = kWidths[0], stage = 0;
    for (const int width : kWidths) {
      ++stage;
      for (int i = 0; i < repeats; ++i) {
        const std::string name = "layer" + std::to_string(stage) + "." + std::to_string(i);
        blocks_.push_back(make<CifarBlock>(name, in, width, in == width ? 1 : 2));
        in = width;
      }
    }
    dim = in;
    classes = classes_of(config.with_defaults({{"num_classes", kClasses}}));
    input_size = kInputSize;
    if (classes > 0) classifier_ = linear("linear", classes, dim);
  }

  ImageValues forward(Ops& ops, const Value& pixels) const override {
    Value x = stem_.forward(ops, pixels);
    for (const auto& block : blocks_) x = block->forward(ops, x);
    ImageValues values{x, ops.global_pool(x), {}};
    if (classifier_) values.logits = ops.linear(values.features, *classifier_);
    return values;
  }

 private:
  ConvNorm stem_;
  std::vector<std::shared_ptr<CifarBlock>> blocks_;
  std::shared_ptr<Layer> classifier_;
};

std::map<std::string, NetworkConfig> variants() {
  std::map<std::string, NetworkConfig> made;
  for (const int64_t repeats : {3, 5, 7, 9, 18})
    made["cifar_resnet" + std::to_string(6 * repeats + 2)] = {{"num_blocks", repeats}};
  return made;
}

}  // namespace

ImageFamily cifar_resnet_family() {
  return {"cifar_resnet", variants(), [](const NetworkConfig& config) -> std::shared_ptr<ImageModule> {
            return std::make_shared<CifarResNet>(config);
          }};
}

}  // namespace pictrieve
