// The text towers of CLIP (Radford et al., arXiv:2103.00020) and SigLIP (Zhai et al., arXiv:2303.15343), with the
// parameter names of transformers' CLIPTextModel and SiglipTextModel, and CLIP's text_projection beside them. CLIP's
// tokens see those before them; SigLIP's see all, padding included. Both compare texts by their last token, projected.
// Reads vocab_size, hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, max_position_embeddings,
// hidden_act, layer_norm_eps, attention_dropout, projection_dim (CLIP), projection_size (SigLIP).
#include "pictrieve/nn/families.h"
#include "pictrieve/nn/network_settings.h"

namespace pictrieve {
namespace {

class ClipTextLayer : public Block {
 public:
  ClipTextLayer(const NetworkConfig& config, bool causal)
      : epsilon_(epsilon_of(config, "layer_norm_eps", 1e-5)),
        activation_(activation_named(config.word("hidden_act", "quick_gelu"))),
        attention_{.heads = config.size("num_attention_heads"),
                   .causal = causal,
                   .dropout = dropout_of(config, "attention_dropout", 0)} {
    const int dim = config.size("hidden_size"), wide = config.size("intermediate_size");
    norm_ = layer_norm("layer_norm1", dim);
    query_ = linear("self_attn.q_proj", dim, dim);
    key_ = linear("self_attn.k_proj", dim, dim);
    value_ = linear("self_attn.v_proj", dim, dim);
    mix_ = linear("self_attn.out_proj", dim, dim);
    mlp_norm_ = layer_norm("layer_norm2", dim);
    widen_ = linear("mlp.fc1", wide, dim);
    narrow_ = linear("mlp.fc2", dim, wide);
  }

  Value forward(Ops& ops, const Value& x) const {
    const Value normed = ops.layer_norm(x, *norm_, epsilon_);
    const Value attended =
        ops.attention(ops.linear(normed, *query_), ops.linear(normed, *key_), ops.linear(normed, *value_), attention_);
    const Value mixed = ops.add(ops.linear(attended, *mix_), x);
    const Value wide = ops.activate(ops.linear(ops.layer_norm(mixed, *mlp_norm_, epsilon_), *widen_), activation_);
    return ops.add(ops.linear(wide, *narrow_), mixed);
  }

 private:
  double epsilon_;
  Activation activation_;
  AttentionOptions attention_;
  std::shared_ptr<Layer> norm_, query_, key_, value_, mix_, mlp_norm_, widen_, narrow_;
};

/// What the two towers differ in besides their settings.
enum class Tower { Clip, Siglip };

class ClipText : public TextModule {
 public:
  ClipText(const NetworkConfig& config, Tower tower) : epsilon_(epsilon_of(config, "layer_norm_eps", 1e-5)) {
    heads_of(config, "num_attention_heads", "hidden_size");
    hidden = config.size("hidden_size");
    const bool clip = tower == Tower::Clip;
    dim = clip ? config.size("projection_dim") : config.size("projection_size", hidden);
    vocab_size = config.size("vocab_size");
    max_tokens = config.size("max_position_embeddings");
    pooling = "last";
    words_ = table("embeddings.token_embedding", vocab_size, hidden);
    positions_ = table("embeddings.position_embedding", max_tokens, hidden);
    const int count = count_of(config, "num_hidden_layers");
    for (int i = 0; i < count; ++i)
      layers_.push_back(make<ClipTextLayer>("encoder.layers." + std::to_string(i), config, clip));
    norm_ = layer_norm("final_layer_norm", hidden);
    projection_ = linear(clip ? "text_projection" : "head", dim, hidden, !clip);
  }

  Value forward(Ops& ops, const TextInputs& inputs) const override {
    Value x = ops.add(ops.embedding(inputs.ids, *words_), ops.embedding(inputs.positions, *positions_));
    for (const auto& layer : layers_) x = layer->forward(ops, x);
    return ops.layer_norm(x, *norm_, epsilon_);
  }

  Value project(Ops& ops, const Value& pooled) const override { return ops.linear(pooled, *projection_); }

 private:
  double epsilon_;
  std::shared_ptr<Layer> words_, positions_, norm_, projection_;
  std::vector<std::shared_ptr<ClipTextLayer>> layers_;
};

using Rules = std::vector<KeyRule>;

/// Whole checkpoints hold the image tower too.
const Rules kNotText{{"", "vision_model"},     {"", "visual_projection"}, {"", "visual"},
                     {"", "logit_scale"},      {"", "logit_bias"},        {"", "attn_mask"},
                     {"", "input_resolution"}, {"", "context_length"},    {"", "vocab_size"}};

Rules with_others_ignored(Rules rules) {
  rules.insert(rules.end(), kNotText.begin(), kNotText.end());
  return rules;
}

Rules transformers(const NetworkConfig&) {
  return with_others_ignored({{"embeddings", "text_model.embeddings"},
                              {"encoder", "text_model.encoder"},
                              {"final_layer_norm", "text_model.final_layer_norm"},
                              {"head", "text_model.head"}});
}

/// open_clip's names, which are OpenAI's: CLIP's projection is a matrix (hidden, dim), SigLIP's a linear layer.
Rules open_clip(const std::string& prefix, const KeyRule& projection) {
  const std::string ours = "encoder.layers.{}.", theirs = prefix + "transformer.resblocks.{}.";
  Rules rules{{"embeddings.token_embedding", prefix + "token_embedding"},
              {"embeddings.position_embedding.weight", prefix + "positional_embedding"},
              {"final_layer_norm", prefix + "ln_final"},
              {projection.ours, prefix + projection.theirs}};
  for (const std::string part : {"weight", "bias"}) {
    const std::string merged = ours + "self_attn.q_proj." + part + "|" + ours + "self_attn.k_proj." + part + "|" +
                               ours + "self_attn.v_proj." + part;
    rules.push_back({merged, theirs + "attn.in_proj_" + part});
  }
  for (const KeyRule& pair : Rules{{"self_attn.out_proj", "attn.out_proj"},
                                   {"layer_norm1", "ln_1"},
                                   {"layer_norm2", "ln_2"},
                                   {"mlp.fc1", "mlp.c_fc"},
                                   {"mlp.fc2", "mlp.c_proj"}})
    rules.push_back({ours + pair.ours, theirs + pair.theirs});
  return with_others_ignored(rules);
}

const KeyRule kClipProjection{"text_projection.weight", "text_projection'"};
const KeyRule kSiglipProjection{"head", "text_projection"};
constexpr const char* kResblock = "transformer.resblocks";
constexpr const char* kResblockOfText = "text.transformer.resblocks";

}  // namespace

TextFamily clip_text_family() {
  const NetworkConfig base{{"vocab_size", 49408},           {"hidden_size", 512},         {"intermediate_size", 2048},
                           {"projection_dim", 512},         {"num_hidden_layers", 12},    {"num_attention_heads", 8},
                           {"max_position_embeddings", 77}, {"hidden_act", "quick_gelu"}, {"layer_norm_eps", 1e-5}};
  return {"clip_text_model",
          {{"clip_text_model", base}},
          [](const NetworkConfig& config) -> std::shared_ptr<TextModule> {
            return std::make_shared<ClipText>(config, Tower::Clip);
          },
          {{"transformers", "text_model", transformers},
           {"open_clip", kResblock, [](const NetworkConfig&) { return open_clip("", kClipProjection); }},
           {"open_clip", kResblockOfText, [](const NetworkConfig&) { return open_clip("text.", kClipProjection); }}}};
}

TextFamily siglip_text_family() {
  const NetworkConfig base{{"vocab_size", 32000},
                           {"hidden_size", 768},
                           {"intermediate_size", 3072},
                           {"num_hidden_layers", 12},
                           {"num_attention_heads", 12},
                           {"max_position_embeddings", 64},
                           {"hidden_act", "gelu_pytorch_tanh"},
                           {"layer_norm_eps", 1e-6}};
  return {"siglip_text_model",
          {{"siglip_text_model", base}},
          [](const NetworkConfig& config) -> std::shared_ptr<TextModule> {
            return std::make_shared<ClipText>(config, Tower::Siglip);
          },
          {{"transformers", "text_model", transformers},
           {"open_clip", kResblockOfText, [](const NetworkConfig&) { return open_clip("text.", kSiglipProjection); }},
           {"open_clip", kResblock, [](const NetworkConfig&) { return open_clip("", kSiglipProjection); }}}};
}

}  // namespace pictrieve
