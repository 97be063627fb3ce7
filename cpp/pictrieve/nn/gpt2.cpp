// GPT-2 (Radford et al., "Language Models are Unsupervised Multitask Learners", 2019) without its language head, with
// the parameter names of transformers' GPT2Model. Reads vocab_size, n_positions, n_embd, n_layer, n_head, n_inner,
// activation_function, layer_norm_epsilon, embd_pdrop, resid_pdrop, attn_pdrop, scale_attn_weights,
// scale_attn_by_inverse_layer_idx.
#include <cmath>

#include "pictrieve/nn/families.h"
#include "pictrieve/nn/network_settings.h"

namespace pictrieve {
namespace {

constexpr double kDropout = 0.1;

/// A linear layer whose matrix is (in, out).
class Conv1D : public Block {
 public:
  Conv1D(int64_t out, int64_t in) {
    parameter("weight", weight_, {in, out});
    parameter("bias", bias_, {out});
  }

  Value forward(Ops& ops, const Value& x) const { return ops.linear(x, weight_.t(), bias_); }

 private:
  torch::Tensor weight_, bias_;
};

double attention_scale(const NetworkConfig& config, int layer) {
  const double head = static_cast<double>(config.size("n_embd")) / config.size("n_head");
  const double scale = config.flag("scale_attn_weights", true) ? 1 / std::sqrt(head) : 1;
  return config.flag("scale_attn_by_inverse_layer_idx", false) ? scale / (layer + 1) : scale;
}

class Gpt2Layer : public Block {
 public:
  Gpt2Layer(const NetworkConfig& config, int layer)
      : width_(config.size("n_embd")),
        epsilon_(epsilon_of(config, "layer_norm_epsilon", 1e-5)),
        dropout_(dropout_of(config, "resid_pdrop", kDropout)),
        activation_(activation_named(config.word("activation_function", "gelu_new"))),
        attention_{.heads = config.size("n_head"),
                   .scale = attention_scale(config, layer),
                   .causal = true,
                   .dropout = dropout_of(config, "attn_pdrop", kDropout)} {
    const int wide = config.size("n_inner", 4 * width_);
    norm_ = layer_norm("ln_1", width_);
    merged_ = make<Conv1D>("attn.c_attn", 3 * width_, width_);
    mix_ = make<Conv1D>("attn.c_proj", width_, width_);
    mlp_norm_ = layer_norm("ln_2", width_);
    widen_ = make<Conv1D>("mlp.c_fc", wide, width_);
    narrow_ = make<Conv1D>("mlp.c_proj", width_, wide);
  }

  Value forward(Ops& ops, const Value& x) const {
    const Value merged = merged_->forward(ops, ops.layer_norm(x, *norm_, epsilon_));
    const Value attended = mix_->forward(ops, ops.attention(merged, width_, attention_));
    const Value mixed = ops.add(ops.dropout(attended, dropout_), x);
    const Value wide = widen_->forward(ops, ops.layer_norm(mixed, *mlp_norm_, epsilon_));
    const Value narrow = narrow_->forward(ops, ops.activate(wide, activation_));
    return ops.add(ops.dropout(narrow, dropout_), mixed);
  }

 private:
  int width_;
  double epsilon_, dropout_;
  Activation activation_;
  AttentionOptions attention_;
  std::shared_ptr<Layer> norm_, mlp_norm_;
  std::shared_ptr<Conv1D> merged_, mix_, widen_, narrow_;
};

class Gpt2 : public TextModule {
 public:
  explicit Gpt2(const NetworkConfig& config)
      : epsilon_(epsilon_of(config, "layer_norm_epsilon", 1e-5)), dropout_(dropout_of(config, "embd_pdrop", kDropout)) {
    heads_of(config, "n_head", "n_embd");
    refuse(config, "add_cross_attention", true);
    dim = hidden = config.size("n_embd");
    vocab_size = config.size("vocab_size");
    max_tokens = config.size("n_positions");
    pooling = "last";
    words_ = table("wte", vocab_size, dim);
    positions_ = table("wpe", max_tokens, dim);
    const int count = count_of(config, "n_layer");
    for (int i = 0; i < count; ++i) layers_.push_back(make<Gpt2Layer>("h." + std::to_string(i), config, i));
    norm_ = layer_norm("ln_f", dim);
  }

  Value forward(Ops& ops, const TextInputs& inputs) const override {
    const Value placed = ops.add(ops.embedding(inputs.ids, *words_), ops.embedding(inputs.positions, *positions_));
    Value x = ops.dropout(placed, dropout_);
    for (const auto& layer : layers_) x = layer->forward(ops, x);
    return ops.layer_norm(x, *norm_, epsilon_);
  }

 private:
  double epsilon_, dropout_;
  std::shared_ptr<Layer> words_, positions_, norm_;
  std::vector<std::shared_ptr<Gpt2Layer>> layers_;
};

/// Files hold the causal mask of each layer, which nobody learned.
std::vector<KeyRule> bare(const NetworkConfig&) { return {{"", "h.{}.attn.bias"}, {"", "h.{}.attn.masked_bias"}}; }

std::vector<KeyRule> beside_a_head(const NetworkConfig&) {
  return {{"", "transformer.h.{}.attn.bias"},
          {"", "transformer.h.{}.attn.masked_bias"},
          {"wte", "transformer.wte"},
          {"wpe", "transformer.wpe"},
          {"h", "transformer.h"},
          {"ln_f", "transformer.ln_f"},
          {"", "lm_head"},
          {"", "multiple_choice_head"},
          {"", "score"},
          {"", "classifier"},
          {"", "qa_outputs"}};
}

}  // namespace

TextFamily gpt2_family() {
  const NetworkConfig base{
      {"vocab_size", 50257}, {"n_positions", 1024}, {"n_embd", 768}, {"n_layer", 12}, {"n_head", 12}};
  const auto larger = [&](int64_t width, int64_t layers, int64_t heads) {
    return NetworkConfig{{"n_embd", width}, {"n_layer", layers}, {"n_head", heads}}.with_defaults(base);
  };
  return {"gpt2",
          {{"gpt2", base},
           {"gpt2-medium", larger(1024, 24, 16)},
           {"gpt2-large", larger(1280, 36, 20)},
           {"gpt2-xl", larger(1600, 48, 25)},
           {"distilgpt2", larger(768, 6, 12)}},
          [](const NetworkConfig& config) -> std::shared_ptr<TextModule> { return std::make_shared<Gpt2>(config); },
          {{"transformers", "h.{}.attn.bias", bare}, {"transformers with a head", "transformer", beside_a_head}}};
}

}  // namespace pictrieve
