// ModernBERT (Warner et al., arXiv:2412.13663) with the parameter names of transformers' ModernBertModel: rotary
// positions, attention that reaches a few tokens in most layers, gated linear units. Reads vocab_size, hidden_size,
// intermediate_size, num_hidden_layers, num_attention_heads, max_position_embeddings, hidden_activation, norm_eps,
// norm_bias, attention_bias, mlp_bias, local_attention, layer_types or global_attn_every_n_layers, rope_parameters or
// global_rope_theta and local_rope_theta, embedding_dropout, attention_dropout, mlp_dropout.
#include <algorithm>
#include <sstream>

#include "pictrieve/base/error.h"
#include "pictrieve/nn/families.h"
#include "pictrieve/nn/network_settings.h"

namespace pictrieve {
namespace {

constexpr double kEpsilon = 1e-5;
constexpr double kGlobalBase = 160000;
constexpr double kLocalBase = 10000;

/// For each layer, whether its tokens see only those nearby.
std::vector<bool> local_layers(const NetworkConfig& config) {
  const int count = count_of(config, "num_hidden_layers"), every = config.size("global_attn_every_n_layers", 3);
  std::vector<bool> local;
  if (!config.has("layer_types")) {
    for (int i = 0; i < count; ++i) local.push_back(i % every != 0);
    return local;
  }
  std::istringstream types(config.word("layer_types", ""));
  for (std::string type; std::getline(types, type, ',');) {
    require(type == "sliding_attention" || type == "full_attention",
            "network configuration: layer_types: expected 'full_attention' or 'sliding_attention', got '", type, "'");
    local.push_back(type == "sliding_attention");
  }
  require(static_cast<int>(local.size()) == count, "network configuration: layer_types: expected ", count,
          " of them, got ", local.size());
  return local;
}

/// What rotary angles are powers of.
double rotary_base(const NetworkConfig& config, bool local) {
  const std::string group = local ? "rope_parameters.sliding_attention." : "rope_parameters.full_attention.";
  const std::string type = config.word(group + "rope_type", "default");
  require(type == "default", "network configuration: ", group, "rope_type: expected 'default', got '", type, "'");
  const double old = config.number(local ? "local_rope_theta" : "global_rope_theta", local ? kLocalBase : kGlobalBase);
  const double base = config.number(group + "rope_theta", old);
  require(base > 0, "network configuration: ", group, "rope_theta: expected a positive number, got ", base);
  return base;
}

int reach_of(const NetworkConfig& config) {
  const int window = config.size("local_attention", 128);
  require(window >= 2, "network configuration: local_attention: expected 2 or more, got ", window);
  return window / 2;
}

class ModernBertLayer : public Block {
 public:
  ModernBertLayer(const NetworkConfig& config, bool first, bool local)
      : width_(config.size("hidden_size")),
        wide_(config.size("intermediate_size")),
        epsilon_(epsilon_of(config, "norm_eps", kEpsilon)),
        base_(rotary_base(config, local)),
        dropout_(dropout_of(config, "mlp_dropout", 0)),
        activation_(activation_named(config.word("hidden_activation", "gelu"))),
        attention_{.heads = config.size("num_attention_heads"),
                   .reach = local ? reach_of(config) : 0,
                   .dropout = dropout_of(config, "attention_dropout", 0)} {
    const bool norm_bias = config.flag("norm_bias", false), attention_bias = config.flag("attention_bias", false),
               mlp_bias = config.flag("mlp_bias", false);
    if (!first) norm_ = layer_norm("attn_norm", width_, norm_bias);
    merged_ = linear("attn.Wqkv", 3 * width_, width_, attention_bias);
    mix_ = linear("attn.Wo", width_, width_, attention_bias);
    mlp_norm_ = layer_norm("mlp_norm", width_, norm_bias);
    widen_ = linear("mlp.Wi", 2 * wide_, width_, mlp_bias);
    narrow_ = linear("mlp.Wo", width_, wide_, mlp_bias);
  }

  Value forward(Ops& ops, const Value& x, const Value& positions) const {
    const Value mixed = ops.add(x, attended(ops, norm_ ? ops.layer_norm(x, *norm_, epsilon_) : x, positions));
    const Value both = ops.linear(ops.layer_norm(mixed, *mlp_norm_, epsilon_), *widen_);
    const Value open = ops.activate(ops.columns(both, 0, wide_), activation_);
    const Value gated = ops.dropout(ops.multiply(open, ops.columns(both, wide_, wide_)), dropout_);
    return ops.add(mixed, ops.linear(gated, *narrow_));
  }

 private:
  Value attended(Ops& ops, const Value& x, const Value& positions) const {
    const Value merged = ops.linear(x, *merged_);
    const auto turned = [&](int begin) {
      return ops.rotary(ops.columns(merged, begin, width_), positions, attention_.heads, base_);
    };
    const Value values = ops.columns(merged, 2 * width_, width_);
    const Value mixed = ops.attention(turned(0), turned(width_), values, attention_);
    return ops.dropout(ops.linear(mixed, *mix_), attention_.dropout);
  }

  int width_, wide_;
  double epsilon_, base_, dropout_;
  Activation activation_;
  AttentionOptions attention_;
  std::shared_ptr<Layer> norm_, merged_, mix_, mlp_norm_, widen_, narrow_;
};

class ModernBert : public TextModule {
 public:
  explicit ModernBert(const NetworkConfig& config)
      : epsilon_(epsilon_of(config, "norm_eps", kEpsilon)), dropout_(dropout_of(config, "embedding_dropout", 0)) {
    const int heads = heads_of(config, "num_attention_heads", "hidden_size");
    dim = hidden = config.size("hidden_size");
    require(dim / heads % 2 == 0, "network configuration: expected heads of an even size, got ", dim / heads);
    vocab_size = config.size("vocab_size");
    max_tokens = config.size("max_position_embeddings");
    const bool norm_bias = config.flag("norm_bias", false);
    words_ = table("embeddings.tok_embeddings", vocab_size, dim);
    norm_ = layer_norm("embeddings.norm", dim, norm_bias);
    const std::vector<bool> local = local_layers(config);
    for (size_t i = 0; i < local.size(); ++i)
      layers_.push_back(make<ModernBertLayer>("layers." + std::to_string(i), config, i == 0, local[i]));
    final_norm_ = layer_norm("final_norm", dim, norm_bias);
  }

  Value forward(Ops& ops, const TextInputs& inputs) const override {
    Value x = ops.dropout(ops.layer_norm(ops.embedding(inputs.ids, *words_), *norm_, epsilon_), dropout_);
    for (const auto& layer : layers_) x = layer->forward(ops, x, inputs.positions);
    return ops.layer_norm(x, *final_norm_, epsilon_);
  }

 private:
  double epsilon_, dropout_;
  std::shared_ptr<Layer> words_, norm_, final_norm_;
  std::vector<std::shared_ptr<ModernBertLayer>> layers_;
};

/// Ours are the names of the bare encoder.
std::vector<KeyRule> bare(const NetworkConfig&) { return {}; }

std::vector<KeyRule> beside_a_head(const NetworkConfig&) {
  return {{"embeddings", "model.embeddings"},
          {"layers", "model.layers"},
          {"final_norm", "model.final_norm"},
          {"", "head"},
          {"", "decoder"},
          {"", "classifier"}};
}

}  // namespace

TextFamily modernbert_family() {
  const NetworkConfig base{{"vocab_size", 50368},     {"hidden_size", 768},        {"intermediate_size", 1152},
                           {"num_hidden_layers", 22}, {"num_attention_heads", 12}, {"max_position_embeddings", 8192}};
  const NetworkConfig large{
      {"hidden_size", 1024}, {"intermediate_size", 2624}, {"num_hidden_layers", 28}, {"num_attention_heads", 16}};
  return {
      "modernbert",
      {{"modernbert", base}, {"modernbert-large", large.with_defaults(base)}},
      [](const NetworkConfig& config) -> std::shared_ptr<TextModule> { return std::make_shared<ModernBert>(config); },
      {{"transformers", "layers.{}.attn.Wqkv", bare}, {"transformers with a head", "model", beside_a_head}}};
}

}  // namespace pictrieve
