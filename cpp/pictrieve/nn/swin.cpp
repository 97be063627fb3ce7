// Swin transformers (Liu et al., arXiv:2103.14030) as timm names their parameters. Reads embed_dim, depths, num_heads,
// window_size, mlp_ratio, qkv_bias, hidden_act, layer_norm_eps, hidden_dropout_prob, drop_path_rate, patch_size,
// image_size, num_classes (0: none), and timm_windows: as in timm, a stage whose map (by image_size) is no larger than
// a window has one window of that size, and maps are rolled before they are padded to whole windows; otherwise, as in
// torchvision and transformers, windows keep their size and maps are padded first.
#include <string>
#include <vector>

#include "pictrieve/base/error.h"
#include "pictrieve/nn/families.h"
#include "pictrieve/nn/network_settings.h"
#include "pictrieve/nn/swin.h"

namespace pictrieve {
namespace {

constexpr double kEpsilon = 1e-5;
constexpr size_t kMostStages = 6;

/// What the blocks of one stage share.
struct Stage {
  int dim = 0, heads = 0, window = 0, shift = 0;
};

class WindowAttention : public Block {
 public:
  WindowAttention(const NetworkConfig& config, const Stage& stage) {
    const int64_t offsets = 2 * stage.window - 1;
    parameter("relative_position_bias_table", table, {offsets * offsets, stage.heads});
    qkv = linear("qkv", 3 * stage.dim, stage.dim, config.flag("qkv_bias", true));
    mix = linear("proj", stage.dim, stage.dim);
  }

  torch::Tensor table;
  std::shared_ptr<Layer> qkv, mix;
};

class SwinBlock : public Block {
 public:
  SwinBlock(const NetworkConfig& config, const Stage& stage, bool shifted, double drop_path)
      : dim_(stage.dim),
        options_{.heads = stage.heads,
                 .bias = RelativeBias::Grid,
                 .window = stage.window,
                 .shift = shifted ? stage.shift : 0},
        roll_first_(options_.shift > 0 && config.flag("timm_windows", false)),
        epsilon_(epsilon_of(config, "layer_norm_eps", kEpsilon)),
        dropout_(dropout_of(config, "hidden_dropout_prob", 0)),
        drop_path_(drop_path),
        activation_(activation_named(config.word("hidden_act", "gelu"))) {
    const int wide = static_cast<int>(dim_ * mlp_ratio_of(config));
    options_.rolled = roll_first_;
    norm1_ = layer_norm("norm1", dim_);
    attention_ = make<WindowAttention>("attn", config, stage);
    norm2_ = layer_norm("norm2", dim_);
    widen_ = linear("mlp.fc1", wide, dim_);
    narrow_ = linear("mlp.fc2", dim_, wide);
  }

  Value forward(Ops& ops, const Value& x) const {
    const Value normed = ops.layer_norm(x, *norm1_, epsilon_);
    const Value mixed = roll_first_ ? ops.roll_back(attend(ops, ops.roll(normed, options_)), options_)  //
                                    : attend(ops, normed);
    const Value middle = ops.add(x, dropped(ops, mixed));
    const Value wide = ops.activate(ops.linear(ops.layer_norm(middle, *norm2_, epsilon_), *widen_), activation_);
    return ops.add(middle, dropped(ops, ops.linear(wide, *narrow_)));
  }

 private:
  Value attend(Ops& ops, const Value& x) const {
    const Value merged = ops.linear(ops.pad_to_multiple(x, options_.window), *attention_->qkv);
    const Value attended = ops.attention(merged, dim_, options_, attention_->table);
    return ops.crop_like(ops.linear(attended, *attention_->mix), x);
  }
  Value dropped(Ops& ops, const Value& change) const {
    return ops.drop_path(ops.dropout(change, dropout_), drop_path_);
  }

  int dim_;
  AttentionOptions options_;
  bool roll_first_;
  double epsilon_, dropout_, drop_path_;
  Activation activation_;
  std::shared_ptr<WindowAttention> attention_;
  std::shared_ptr<Layer> norm1_, norm2_, widen_, narrow_;
};

/// Joins 2 x 2 pixels into one.
class Merging : public Block {
 public:
  Merging(int dim, double epsilon) : epsilon_(epsilon) {
    norm_ = layer_norm("norm", 4 * dim);
    reduction_ = linear("reduction", 2 * dim, 4 * dim, false);
  }

  Value forward(Ops& ops, const Value& x) const {
    const Value joined = ops.space_to_depth(ops.pad_to_multiple(x, 2));
    return ops.linear(ops.layer_norm(joined, *norm_, epsilon_), *reduction_);
  }

 private:
  double epsilon_;
  std::shared_ptr<Layer> norm_, reduction_;
};

class Swin : public ImageModule {
 public:
  explicit Swin(const NetworkConfig& config)
      : patch_(patch_of(config, 4)), epsilon_(epsilon_of(config, "layer_norm_eps", kEpsilon)) {
    const std::vector<int> heads = config.sizes("num_heads"), depths = counts_of(config, "depths", heads.size());
    check(config, heads);
    input_size = config.size("image_size");
    classes = classes_of(config, 0);
    dim = config.size("embed_dim");
    patches_ = conv("patch_embed.proj", dim, 3, patch_, true);
    patches_norm_ = layer_norm("patch_embed.norm", dim);
    int side = (input_size + patch_ - 1) / patch_;
    int blocks = 0;
    for (size_t s = 0; s < depths.size(); ++s) {
      const std::string name = "layers." + std::to_string(s);
      if (s > 0) {
        mergings_.push_back(make<Merging>(name + ".downsample", dim, epsilon_));
        dim *= 2;
        side = (side + 1) / 2;
      }
      blocks_.emplace_back();
      for (int b = 0; b < depths[s]; ++b)
        blocks_.back().push_back(make<SwinBlock>(name + ".blocks." + std::to_string(b), config,
                                                 stage_of(config, heads[s], side), b % 2 == 1,
                                                 drop_path(config, blocks++)));
    }
    norm_ = layer_norm("norm", dim);
    if (classes > 0) head_ = linear("head.fc", classes, dim);
  }

  ImageValues forward(Ops& ops, const Value& pixels) const override {
    Value x = ops.conv2d(ops.pad_to_multiple(pixels, patch_), *patches_, {.stride = patch_});
    x = ops.layer_norm(x, *patches_norm_, epsilon_);
    for (size_t s = 0; s < blocks_.size(); ++s) {
      if (s > 0) x = mergings_[s - 1]->forward(ops, x);
      for (const auto& block : blocks_[s]) x = block->forward(ops, x);
    }
    ImageValues values;
    values.feature_map = ops.layer_norm(x, *norm_, epsilon_);
    values.features = ops.global_pool(values.feature_map);
    if (head_) values.logits = ops.linear(values.features, *head_);
    return values;
  }

 private:
  static void check(const NetworkConfig& config, const std::vector<int>& heads) {
    require(heads.size() <= kMostStages, "network configuration: num_heads: expected at most ", kMostStages,
            " numbers, got ", heads.size());
    for (size_t s = 0; s < heads.size(); ++s)
      require((config.size("embed_dim") << s) % heads[s] == 0, "network configuration: expected embed_dim * 2^", s,
              " to be a multiple of num_heads[", s, "], got ", config.size("embed_dim"), " and ", heads[s]);
    refuse(config, "use_absolute_embeddings", true);
  }

  /// `side`: of the map that image_size gives.
  Stage stage_of(const NetworkConfig& config, int heads, int side) const {
    const int window = config.size("window_size");
    if (!config.flag("timm_windows", false) || side > window) return {dim, heads, window, window / 2};
    return {dim, heads, side, 0};
  }

  /// Grows from block to block, 0 at the first and drop_path_rate at the last.
  static double drop_path(const NetworkConfig& config, int block) {
    int count = 0;
    for (const int depth : config.sizes("depths")) count += depth;
    return count == 1 ? 0 : dropout_of(config, "drop_path_rate", 0) * block / (count - 1);
  }

  int patch_;
  double epsilon_;
  std::shared_ptr<Layer> patches_, patches_norm_, norm_, head_;
  std::vector<std::shared_ptr<Merging>> mergings_;
  std::vector<std::vector<std::shared_ptr<SwinBlock>>> blocks_;
};

NetworkConfig variant(int dim, std::vector<int64_t> depths, int window, int image, int classes) {
  std::vector<int64_t> heads;
  for (size_t s = 0; s < depths.size(); ++s) heads.push_back(dim / 32 << s);
  return {{"embed_dim", int64_t{dim}},      {"depths", std::move(depths)},  {"num_heads", heads},
          {"window_size", int64_t{window}}, {"image_size", int64_t{image}}, {"patch_size", int64_t{4}},
          {"num_classes", int64_t{classes}}};
}

std::map<std::string, NetworkConfig> variants() {
  constexpr int kClasses = 1000;
  const std::vector<int64_t> tiny{2, 2, 6, 2}, deep{2, 2, 18, 2};
  const NetworkConfig timm{{"timm_windows", true}};
  return {{"swin", variant(96, tiny, 7, 224, 0)},
          {"swin_t", variant(96, tiny, 7, 224, kClasses)},
          {"swin_s", variant(96, deep, 7, 224, kClasses)},
          {"swin_b", variant(128, deep, 7, 224, kClasses)},
          {"swin_tiny_patch4_window7_224", timm.with_defaults(variant(96, tiny, 7, 224, kClasses))},
          {"swin_small_patch4_window7_224", timm.with_defaults(variant(96, deep, 7, 224, kClasses))},
          {"swin_base_patch4_window7_224", timm.with_defaults(variant(128, deep, 7, 224, kClasses))},
          {"swin_base_patch4_window12_384", timm.with_defaults(variant(128, deep, 12, 384, kClasses))},
          {"swin_large_patch4_window7_224", timm.with_defaults(variant(192, deep, 7, 224, kClasses))},
          {"swin_large_patch4_window12_384", timm.with_defaults(variant(192, deep, 12, 384, kClasses))}};
}

}  // namespace

ImageFamily swin_family() {
  return {"swin", variants(),
          [](const NetworkConfig& config) -> std::shared_ptr<ImageModule> { return std::make_shared<Swin>(config); },
          swin_layouts()};
}

}  // namespace pictrieve
