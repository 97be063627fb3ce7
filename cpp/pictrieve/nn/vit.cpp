// Vision transformers (Dosovitskiy et al., arXiv:2010.11929) as timm names their parameters, with what later ones
// added: layer scale (arXiv:2103.17239), registers (arXiv:2309.16588), the norm before the blocks and the projection of
// CLIP (arXiv:2103.00020), the attention pooling of SigLIP (arXiv:2303.15343). Reads
//   hidden_size, num_hidden_layers, num_attention_heads, intermediate_size (or mlp_ratio), hidden_act, layer_norm_eps,
//   qkv_bias, use_swiglu_ffn, layerscale_value (0: none), hidden_dropout_prob, drop_path_rate;
//   image_size (of the table of positions), patch_size, positions_antialias (as they are resized);
//   class_token, num_register_tokens; position_tokens: those of them that have a position, all, class or none;
//   pre_norm (also takes the bias from the patches), global_pool (token, avg, map), fc_norm (the last norm comes after
//   pooling), projection_dim (0: none), num_classes (0: none), classifier_input (features; or token_and_mean, the class
//   token and then the mean of the patches, as transformers' classifiers on DINOv2 read).
#include "pictrieve/nn/vit.h"

#include <algorithm>

#include "pictrieve/base/error.h"
#include "pictrieve/nn/network_settings.h"
#include "pictrieve/nn/positions.h"

namespace pictrieve {
namespace {

constexpr double kEpsilon = 1e-6;
constexpr int kPatch = 16;

/// The hidden layer of an MLP; with SwiGLU (arXiv:2002.05202) two thirds of it, in multiples of 8, for each of gate and
/// value.
int mlp_width(const NetworkConfig& config) {
  if (config.has("intermediate_size")) return config.size("intermediate_size");
  const int wide = static_cast<int>(config.size("hidden_size") * mlp_ratio_of(config));
  return config.flag("use_swiglu_ffn", false) ? (static_cast<int>(wide * 2 / 3.0) + 7) / 8 * 8 : wide;
}

class Mlp : public Block {
 public:
  explicit Mlp(const NetworkConfig& config)
      : gated_(config.flag("use_swiglu_ffn", false)),
        wide_(mlp_width(config)),
        activation_(gated_ ? Activation::Silu : activation_named(config.word("hidden_act", "gelu"))) {
    const int dim = config.size("hidden_size");
    widen_ = linear("fc1", gated_ ? 2 * wide_ : wide_, dim);
    narrow_ = linear("fc2", dim, wide_);
  }

  Value forward(Ops& ops, const Value& x) const {
    const Value wide = ops.linear(x, *widen_);
    if (!gated_) return ops.linear(ops.activate(wide, activation_), *narrow_);
    const Value gate = ops.activate(ops.columns(wide, 0, wide_), activation_);
    return ops.linear(ops.multiply(gate, ops.columns(wide, wide_, wide_)), *narrow_);
  }

 private:
  bool gated_;
  int wide_;
  Activation activation_;
  std::shared_ptr<Layer> widen_, narrow_;
};

/// The factors of layer scale, one for each channel.
class Factors : public Block {
 public:
  explicit Factors(int64_t dim) { parameter("gamma", gamma, {dim}); }
  torch::Tensor gamma;
};

class VitBlock : public Block {
 public:
  VitBlock(const NetworkConfig& config, double drop_path)
      : dim_(config.size("hidden_size")),
        attention_{.heads = heads_of(config, "num_attention_heads", "hidden_size")},
        epsilon_(epsilon_of(config, "layer_norm_eps", kEpsilon)),
        dropout_(dropout_of(config, "hidden_dropout_prob", 0)),
        drop_path_(drop_path) {
    norm1_ = layer_norm("norm1", dim_);
    qkv_ = linear("attn.qkv", 3 * dim_, dim_, config.flag("qkv_bias", true));
    mix_ = linear("attn.proj", dim_, dim_);
    norm2_ = layer_norm("norm2", dim_);
    mlp_ = make<Mlp>("mlp", config);
    if (config.number("layerscale_value", 0) == 0) return;
    factors1_ = make<Factors>("ls1", dim_);
    factors2_ = make<Factors>("ls2", dim_);
  }

  Value forward(Ops& ops, const Value& x) const {
    const Value merged = ops.linear(ops.layer_norm(x, *norm1_, epsilon_), *qkv_);
    const Value mixed = ops.linear(ops.attention(merged, dim_, attention_), *mix_);
    const Value middle = changed(ops, x, mixed, factors1_.get());
    return changed(ops, middle, mlp_->forward(ops, ops.layer_norm(middle, *norm2_, epsilon_)), factors2_.get());
  }

 private:
  Value changed(Ops& ops, const Value& x, Value change, const Factors* factors) const {
    change = ops.dropout(change, dropout_);
    if (factors) change = ops.scale(change, factors->gamma);
    return ops.add(x, ops.drop_path(change, drop_path_));
  }

  int dim_;
  AttentionOptions attention_;
  double epsilon_, dropout_, drop_path_;
  std::shared_ptr<Layer> norm1_, qkv_, mix_, norm2_;
  std::shared_ptr<Mlp> mlp_;
  std::shared_ptr<Factors> factors1_, factors2_;
};

/// A learned query that attends to all patches, and an MLP.
class AttentionPooling : public Block {
 public:
  explicit AttentionPooling(const NetworkConfig& config)
      : dim_(config.size("hidden_size")),
        heads_(heads_of(config, "num_attention_heads", "hidden_size")),
        epsilon_(epsilon_of(config, "layer_norm_eps", kEpsilon)) {
    parameter("latent", latent_, {1, 1, dim_});
    query_ = linear("q", dim_, dim_);
    key_value_ = linear("kv", 2 * dim_, dim_);
    mix_ = linear("proj", dim_, dim_);
    norm_ = layer_norm("norm", dim_);
    mlp_ = make<Mlp>("mlp", config);
  }

  Value forward(Ops& ops, const Value& tokens) const {
    const Value query = ops.constant(at::linear(latent_.squeeze(0), query_->weight, query_->bias));
    const Value both = ops.linear(tokens, *key_value_);
    const Value keys = ops.columns(both, 0, dim_), values = ops.columns(both, dim_, dim_);
    const Value pooled = ops.linear(ops.attention_pool(query, keys, values, heads_), *mix_);
    return ops.add(pooled, mlp_->forward(ops, ops.layer_norm(pooled, *norm_, epsilon_)));
  }

 private:
  int dim_, heads_;
  double epsilon_;
  torch::Tensor latent_;
  std::shared_ptr<Layer> query_, key_value_, mix_, norm_;
  std::shared_ptr<Mlp> mlp_;
};

class Vit : public ImageModule {
 public:
  explicit Vit(const NetworkConfig& config)
      : pool_(config.word("global_pool", "token")),
        placed_(config.word("position_tokens", "all")),
        antialias_(config.flag("positions_antialias", true)),
        epsilon_(epsilon_of(config, "layer_norm_eps", kEpsilon)),
        dropout_(dropout_of(config, "hidden_dropout_prob", 0)) {
    check(config);
    input_size = config.size("image_size");
    least_size = patch_ = patch_of(config, kPatch);
    side_ = input_size / patch_;
    classes = classes_of(config, 0);
    make_tokens(config);
    make_blocks(config);
    make_head(config);
  }

  ImageValues forward(Ops& ops, const Value& pixels) const override {
    Value patches = ops.conv2d(pixels, *patches_, {.stride = patch_});
    const int64_t placed = positions_.size(1) - side_ * side_;  // of the tokens before the patches
    patches = ops.add_grid(patches, learned_positions(positions_[0].slice(0, placed), side_, antialias_));
    Value x = ops.tokens(patches);
    const torch::Tensor before = tokens_before(placed);
    const int count = before.defined() ? static_cast<int>(before.size(0)) : 0;
    if (count > 0) x = ops.join({ops.constant(before), x});
    x = ops.dropout(x, dropout_);
    if (norm_pre_) x = ops.layer_norm(x, *norm_pre_, epsilon_);
    for (const auto& block : blocks_) x = block->forward(ops, x);
    if (norm_) x = ops.layer_norm(x, *norm_, epsilon_);

    ImageValues values;
    values.feature_map = ops.picture(x, count, patches);
    values.features = pooled(ops, x, values.feature_map, count);
    if (fc_norm_) values.features = ops.layer_norm(values.features, *fc_norm_, epsilon_);
    if (projection_) values.features = ops.linear(values.features, *projection_);
    if (head_) values.logits = classified(ops, values.features, x, count);
    return values;
  }

 private:
  static void check(const NetworkConfig& config) {
    const auto expect = [&](const char* name, const char* otherwise, std::initializer_list<std::string> words) {
      const std::string word = config.word(name, otherwise);
      std::string known;
      for (const std::string& one : words) known += (known.empty() ? "'" : ", '") + one + "'";
      require(std::ranges::find(words, word) != words.end(), "network configuration: ", name, ": expected one of ",
              known, ", got '", word, "'");
    };
    expect("global_pool", "token", {"token", "avg", "map"});
    expect("position_tokens", "all", {"all", "class", "none"});
    expect("classifier_input", "features", {"features", "token_and_mean"});
    require(config.size("image_size") >= patch_of(config, kPatch), "network configuration: expected image_size to be ",
            "at least patch_size, got ", config.size("image_size"), " and ", patch_of(config, kPatch));
    require(config.flag("class_token", true) || config.word("global_pool", "token") != "token",
            "network configuration: global_pool 'token' needs class_token");
  }

  void make_tokens(const NetworkConfig& config) {
    const int width = config.size("hidden_size"), registers = config.integer("num_register_tokens", 0);
    require(registers >= 0, "network configuration: num_register_tokens: expected 0 or more, got ", registers);
    const bool with_class = config.flag("class_token", true);
    if (with_class) parameter("cls_token", class_, {1, 1, width});
    if (registers > 0) parameter("reg_token", registers_, {1, registers, width});
    const int64_t placed = (placed_ == "none" || !with_class ? 0 : 1) + (placed_ == "all" ? registers : 0);
    parameter("pos_embed", positions_, {1, placed + side_ * side_, width});
    const bool pre_norm = config.flag("pre_norm", false);
    patches_ = conv("patch_embed.proj", width, 3, patch_, !pre_norm);
    if (pre_norm) norm_pre_ = layer_norm("norm_pre", width);
  }

  void make_blocks(const NetworkConfig& config) {
    const int count = count_of(config, "num_hidden_layers");
    const double drop_path = dropout_of(config, "drop_path_rate", 0);
    for (int i = 0; i < count; ++i)
      blocks_.push_back(
          make<VitBlock>("blocks." + std::to_string(i), config, count == 1 ? 0 : drop_path * i / (count - 1)));
  }

  void make_head(const NetworkConfig& config) {
    const int width = config.size("hidden_size"), projected = config.integer("projection_dim", 0);
    const bool after_pooling = config.flag("fc_norm", pool_ == "avg");
    (after_pooling ? fc_norm_ : norm_) = layer_norm(after_pooling ? "fc_norm" : "norm", width);
    if (pool_ == "map") attention_pooling_ = make<AttentionPooling>("attn_pool", config);
    if (projected > 0) projection_ = linear("projection", projected, width, false);
    dim = projected > 0 ? projected : width;
    reads_mean_ = config.word("classifier_input", "features") == "token_and_mean";
    if (classes > 0) head_ = linear("head", classes, reads_mean_ ? dim + width : dim);
  }

  /// The class token and registers with their positions, (count, c); undefined without any.
  torch::Tensor tokens_before(int64_t placed) const {
    if (!class_.defined() && !registers_.defined()) return {};
    torch::Tensor tokens = class_.defined() ? class_[0] : registers_[0];
    if (class_.defined() && registers_.defined()) tokens = at::cat({class_[0], registers_[0]});
    if (placed == 0) return tokens;
    const torch::Tensor first = tokens.slice(0, 0, placed) + positions_[0].slice(0, 0, placed);
    return placed == tokens.size(0) ? first : at::cat({first, tokens.slice(0, placed)});
  }

  Value pooled(Ops& ops, const Value& x, const Value& feature_map, int first) const {
    if (pool_ == "token") return ops.token(x, 0);
    if (pool_ == "avg") return ops.mean_tokens(x, first);
    return attention_pooling_->forward(ops, first == 0 ? x : ops.tokens(feature_map));
  }

  Value classified(Ops& ops, const Value& features, const Value& x, int first) const {
    if (!reads_mean_) return ops.linear(features, *head_);
    const auto of_features = head_->weight.slice(1, 0, dim).contiguous();
    const auto of_mean = head_->weight.slice(1, dim).contiguous();
    return ops.add(ops.linear(features, of_features, head_->bias), ops.linear(ops.mean_tokens(x, first), of_mean, {}));
  }

  std::string pool_, placed_;
  bool antialias_, reads_mean_ = false;
  double epsilon_, dropout_;
  int patch_ = 0;
  int64_t side_ = 0;
  torch::Tensor class_, registers_, positions_;
  std::shared_ptr<Layer> patches_, norm_pre_, norm_, fc_norm_, projection_, head_;
  std::vector<std::shared_ptr<VitBlock>> blocks_;
  std::shared_ptr<AttentionPooling> attention_pooling_;
};

}  // namespace

std::shared_ptr<ImageModule> make_vit(const NetworkConfig& config) { return std::make_shared<Vit>(config); }

}  // namespace pictrieve
