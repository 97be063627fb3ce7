// Inception v3 (Szegedy et al., arXiv:1512.00567) with torchvision's names. Reads num_classes, dropout, aux_logits (the
// parameters of the second classifier, which only its authors' training ran, are kept with the checkpoint) and
// transform_input (pixels come normalised by ImageNet's means and deviations, as torchvision's checkpoints are used,
// and the network wants them from -1 to 1).
#include <string>
#include <vector>

#include "pictrieve/nn/convolutional.h"
#include "pictrieve/nn/families.h"
#include "pictrieve/nn/network_settings.h"

namespace pictrieve {
namespace {

constexpr double kEpsilon = 1e-3;
constexpr double kDropout = 0.5;
constexpr int kInputSize = 299;
constexpr int kLeastSize = 75;

struct Kernel {
  int height, width;
};

/// A convolution, its batch norm and ReLU.
class BasicConv : public Block {
 public:
  BasicConv(int out, int in, Kernel kernel, int stride, Padding padding)
      : parts_{conv("conv", out, in, {kernel.height, kernel.width}),
               batch_norm("bn", out, kEpsilon),
               {.stride = stride, .padding = padding},
               Activation::Relu} {}

  Value forward(Ops& ops, const Value& x) const { return parts_.forward(ops, x); }
  torch::TensorOptions options() const { return parts_.conv->weight.options(); }

 private:
  ConvNorm parts_;
};

using BasicConvs = std::vector<std::shared_ptr<BasicConv>>;

/// Branches that read one picture, their outputs one after the other as channels. Those of stride 2 have no zeros
/// around, all others keep the picture's size.
class Mixed : public Block {
 public:
  explicit Mixed(int in) : in_(in) {}

  Value forward(Ops& ops, const Value& input) const {
    Ops::Values outputs;
    for (const Branch& branch : branches_) {
      Value x = input;
      if (branch.pool == Pool::Mean) x = ops.avg_pool(x, {.kernel = 3, .stride = 1, .padding = Padding::of(1)});
      if (branch.pool == Pool::Largest) x = ops.max_pool(x, {.kernel = 3, .stride = 2});
      for (const auto& step : branch.steps) x = step->forward(ops, x);
      for (const auto& end : branch.ends) outputs.push_back(end->forward(ops, x));
      if (branch.ends.empty()) outputs.push_back(x);
    }
    return ops.concat(outputs);
  }

  int channels() const { return channels_; }

 protected:
  enum class Pool { None, Mean, Largest };
  struct Step {
    const char* name;
    int out;
    Kernel kernel{1, 1};
    int stride = 1;
  };

  /// Steps follow each other; `ends` then read the same picture side by side.
  void branch(const std::vector<Step>& steps, const std::vector<Step>& ends = {}, Pool pool = Pool::None) {
    Branch made{pool, {}, {}};
    int in = in_;
    for (const Step& step : steps) {
      made.steps.push_back(made_of(step, in));
      in = step.out;
    }
    for (const Step& end : ends) {
      made.ends.push_back(made_of(end, in));
      channels_ += end.out;
    }
    if (ends.empty()) channels_ += in;
    branches_.push_back(std::move(made));
  }
  void pooled(const char* name, int out) { branch({{name, out}}, {}, Pool::Mean); }
  void largest() { branch({}, {}, Pool::Largest); }

 private:
  struct Branch {
    Pool pool;
    BasicConvs steps, ends;
  };

  std::shared_ptr<BasicConv> made_of(const Step& step, int in) {
    const Padding around = step.stride == 1 ? Padding{step.kernel.height / 2, step.kernel.width / 2} : Padding{};
    return make<BasicConv>(step.name, step.out, in, step.kernel, step.stride, around);
  }

  int in_;
  int channels_ = 0;
  std::vector<Branch> branches_;
};

// The paper's figures 5 to 7 and 10, under torchvision's names of their kinds.
constexpr Kernel k3x3{3, 3}, k5x5{5, 5}, k1x7{1, 7}, k7x1{7, 1}, k1x3{1, 3}, k3x1{3, 1};

struct MixedA : Mixed {
  MixedA(int in, int pool_features) : Mixed(in) {
    branch({{"branch1x1", 64}});
    branch({{"branch5x5_1", 48}, {"branch5x5_2", 64, k5x5}});
    branch({{"branch3x3dbl_1", 64}, {"branch3x3dbl_2", 96, k3x3}, {"branch3x3dbl_3", 96, k3x3}});
    pooled("branch_pool", pool_features);
  }
};

struct MixedB : Mixed {
  explicit MixedB(int in) : Mixed(in) {
    branch({{"branch3x3", 384, k3x3, 2}});
    branch({{"branch3x3dbl_1", 64}, {"branch3x3dbl_2", 96, k3x3}, {"branch3x3dbl_3", 96, k3x3, 2}});
    largest();
  }
};

struct MixedC : Mixed {
  MixedC(int in, int inner) : Mixed(in) {
    branch({{"branch1x1", 192}});
    branch({{"branch7x7_1", inner}, {"branch7x7_2", inner, k1x7}, {"branch7x7_3", 192, k7x1}});
    branch({{"branch7x7dbl_1", inner},
            {"branch7x7dbl_2", inner, k7x1},
            {"branch7x7dbl_3", inner, k1x7},
            {"branch7x7dbl_4", inner, k7x1},
            {"branch7x7dbl_5", 192, k1x7}});
    pooled("branch_pool", 192);
  }
};

struct MixedD : Mixed {
  explicit MixedD(int in) : Mixed(in) {
    branch({{"branch3x3_1", 192}, {"branch3x3_2", 320, k3x3, 2}});
    branch({{"branch7x7x3_1", 192},
            {"branch7x7x3_2", 192, k1x7},
            {"branch7x7x3_3", 192, k7x1},
            {"branch7x7x3_4", 192, k3x3, 2}});
    largest();
  }
};

struct MixedE : Mixed {
  explicit MixedE(int in) : Mixed(in) {
    branch({{"branch1x1", 320}});
    branch({{"branch3x3_1", 384}}, {{"branch3x3_2a", 384, k1x3}, {"branch3x3_2b", 384, k3x1}});
    branch({{"branch3x3dbl_1", 448}, {"branch3x3dbl_2", 384, k3x3}},
           {{"branch3x3dbl_3a", 384, k1x3}, {"branch3x3dbl_3b", 384, k3x1}});
    pooled("branch_pool", 192);
  }
};

/// The second classifier, never run.
struct AuxiliaryClassifier : Block {
  AuxiliaryClassifier(int in, int classes) {
    make<BasicConv>("conv0", 128, in, Kernel{1, 1}, 1, Padding{});
    make<BasicConv>("conv1", 768, 128, k5x5, 1, Padding{});
    linear("fc", classes, 768);
  }
};

class InceptionV3 : public ImageModule {
 public:
  explicit InceptionV3(const NetworkConfig& config)
      : dropout_(dropout_of(config, "dropout", kDropout)), transform_(config.flag("transform_input", false)) {
    classes = classes_of(config);
    input_size = kInputSize;
    least_size = kLeastSize;
    add_stem();
    for (const int pooled : {32, 64, 64}) add<MixedA>(pooled);
    add<MixedB>();
    for (const int inner : {128, 160, 160, 192}) add<MixedC>(inner);
    if (classes > 0 && config.flag("aux_logits", true)) make<AuxiliaryClassifier>("AuxLogits", dim, classes);
    add<MixedD>();
    add<MixedE>();
    add<MixedE>();
    if (classes > 0) classifier_ = linear("fc", classes, dim);
  }

  ImageValues forward(Ops& ops, const Value& pixels) const override {
    Value x = transform_ ? transformed(ops, pixels) : pixels;
    for (const BasicConvs& stage : stem_) {
      for (const auto& step : stage) x = step->forward(ops, x);
      x = ops.max_pool(x, {.kernel = 3, .stride = 2});
    }
    for (const auto& block : blocks_) x = block->forward(ops, x);
    ImageValues values{x, ops.global_pool(x), {}};
    if (classifier_) values.logits = ops.linear(ops.dropout(values.features, dropout_), *classifier_);
    return values;
  }

 private:
  void add_stem() {
    stem_ = {{make<BasicConv>("Conv2d_1a_3x3", 32, 3, k3x3, 2, Padding{}),
              make<BasicConv>("Conv2d_2a_3x3", 32, 32, k3x3, 1, Padding{}),
              make<BasicConv>("Conv2d_2b_3x3", 64, 32, k3x3, 1, Padding::of(1))},
             {make<BasicConv>("Conv2d_3b_1x1", 80, 64, Kernel{1, 1}, 1, Padding{}),
              make<BasicConv>("Conv2d_4a_3x3", 192, 80, k3x3, 1, Padding{})}};
    dim = 192;
  }

  /// The next block, which reads the last one's channels.
  template <class Part, class... Widths>
  void add(Widths... widths) {
    constexpr const char* kNames[] = {"5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c"};
    blocks_.push_back(make<Part>(std::string("Mixed_") + kNames[blocks_.size()], dim, widths...));
    dim = blocks_.back()->channels();
  }

  /// From (p - mean) / deviation of p from 0 to 1 to (p - 0.5) / 0.5.
  Value transformed(Ops& ops, const Value& pixels) const {
    const torch::TensorOptions options = stem_.front().front()->options();
    const torch::Tensor factors = torch::tensor({0.229, 0.224, 0.225}, options) / 0.5;
    const torch::Tensor shifts = (torch::tensor({0.485, 0.456, 0.406}, options) - 0.5) / 0.5;
    return ops.linear(pixels, torch::diag(factors), shifts);
  }

  double dropout_;
  bool transform_;
  std::vector<BasicConvs> stem_;
  std::vector<std::shared_ptr<Mixed>> blocks_;
  std::shared_ptr<Layer> classifier_;
};

}  // namespace

ImageFamily inception_v3_family() {
  return {"inception_v3", {}, [](const NetworkConfig& config) -> std::shared_ptr<ImageModule> {
            return std::make_shared<InceptionV3>(config);
          }};
}

}  // namespace pictrieve
