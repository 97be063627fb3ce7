// BERT (Devlin et al., arXiv:1810.04805) and the encoders that share its layers, with the parameter names of
// transformers' BertModel: RoBERTa, XLM-RoBERTa and CamemBERT (positions count from the padding token's id + 1),
// ELECTRA (embeddings may be narrower), DistilBERT (no segments), MPNet (no segments, a bias for each distance:
// Song et al., arXiv:2004.09297). Reads model_type, vocab_size, hidden_size, embedding_size, num_hidden_layers,
// num_attention_heads, intermediate_size, max_position_embeddings, type_vocab_size, pad_token_id, layer_norm_eps,
// hidden_act, hidden_dropout_prob, attention_probs_dropout_prob, and what DistilBERT calls these.
#include "pictrieve/base/error.h"
#include "pictrieve/nn/bert_names.h"
#include "pictrieve/nn/network_settings.h"

namespace pictrieve {
namespace {

constexpr double kDropout = 0.1;
constexpr double kEpsilon = 1e-12;
constexpr int kBuckets = 32;

struct Settings {
  int width, embedding_width, wide, layers, heads, vocabulary, positions;
  int segments = 0;  ///< none
  int position_offset = 0;
  bool relative = false;
  double epsilon = kEpsilon;
  double dropout = kDropout;            ///< of embeddings and of what a layer's second half adds
  double attended_dropout = kDropout;   ///< of what its first half adds
  double attention_dropout = kDropout;  ///< of attention weights
  Activation activation = Activation::Gelu;
};

Settings distilbert_settings(const NetworkConfig& config) {
  const int width = config.size("dim");
  return {.width = width,
          .embedding_width = width,
          .wide = config.size("hidden_dim"),
          .layers = count_of(config, "n_layers"),
          .heads = heads_of(config, "n_heads", "dim"),
          .vocabulary = config.size("vocab_size"),
          .positions = config.size("max_position_embeddings"),
          .dropout = dropout_of(config, "dropout", kDropout),
          .attended_dropout = 0,
          .attention_dropout = dropout_of(config, "attention_dropout", kDropout),
          .activation = activation_named(config.word("activation", "gelu"))};
}

Settings bert_settings(const NetworkConfig& config, BertKind kind) {
  const int width = config.size("hidden_size");
  const double dropout = dropout_of(config, "hidden_dropout_prob", kDropout);
  const bool mpnet = kind == BertKind::Mpnet, roberta = kind == BertKind::Roberta;
  const std::string type = config.word("position_embedding_type", "absolute");
  require(type == "absolute", "network configuration: expected position_embedding_type 'absolute', got '", type, "'");
  const int buckets = config.size("relative_attention_num_buckets", kBuckets);
  require(!mpnet || buckets == kBuckets, "network configuration: relative_attention_num_buckets: expected ", kBuckets,
          ", got ", buckets);
  refuse(config, "is_decoder", true);
  return {.width = width,
          .embedding_width = kind == BertKind::Electra ? config.size("embedding_size", width) : width,
          .wide = config.size("intermediate_size"),
          .layers = count_of(config, "num_hidden_layers"),
          .heads = heads_of(config, "num_attention_heads", "hidden_size"),
          .vocabulary = config.size("vocab_size"),
          .positions = config.size("max_position_embeddings"),
          .segments = mpnet ? 0 : config.size("type_vocab_size", 2),
          .position_offset = mpnet     ? 2
                             : roberta ? config.integer("pad_token_id", 1) + 1
                                       : 0,
          .relative = mpnet,
          .epsilon = epsilon_of(config, "layer_norm_eps", kEpsilon),
          .dropout = dropout,
          .attended_dropout = dropout,
          .attention_dropout = dropout_of(config, "attention_probs_dropout_prob", kDropout),
          .activation = activation_named(config.word("hidden_act", "gelu"))};
}

Settings settings_of(const NetworkConfig& config) {
  const BertKind kind = bert_kind(config);
  Settings settings = kind == BertKind::Distilbert ? distilbert_settings(config) : bert_settings(config, kind);
  require(settings.position_offset >= 0 && settings.position_offset < settings.positions,
          "network configuration: expected max_position_embeddings beyond pad_token_id + 1, got ", settings.positions,
          " and ", settings.position_offset);
  return settings;
}

class BertLayer : public Block {
 public:
  explicit BertLayer(const Settings& settings)
      : settings_(settings),
        attention_{.heads = settings.heads,
                   .dropout = settings.attention_dropout,
                   .bias = settings.relative ? RelativeBias::Buckets : RelativeBias::None} {
    const int dim = settings.width;
    query_ = linear("attention.self.query", dim, dim);
    key_ = linear("attention.self.key", dim, dim);
    value_ = linear("attention.self.value", dim, dim);
    mix_ = linear("attention.output.dense", dim, dim);
    mix_norm_ = layer_norm("attention.output.LayerNorm", dim);
    widen_ = linear("intermediate.dense", settings.wide, dim);
    narrow_ = linear("output.dense", dim, settings.wide);
    narrow_norm_ = layer_norm("output.LayerNorm", dim);
  }

  Value forward(Ops& ops, const Value& x, const torch::Tensor& bias) const {
    const Value attended =
        ops.attention(ops.linear(x, *query_), ops.linear(x, *key_), ops.linear(x, *value_), attention_, bias);
    const Value added = ops.dropout(ops.linear(attended, *mix_), settings_.attended_dropout);
    const Value mixed = ops.layer_norm(ops.add(added, x), *mix_norm_, settings_.epsilon);
    const Value wide = ops.activate(ops.linear(mixed, *widen_), settings_.activation);
    const Value narrow = ops.dropout(ops.linear(wide, *narrow_), settings_.dropout);
    return ops.layer_norm(ops.add(narrow, mixed), *narrow_norm_, settings_.epsilon);
  }

 private:
  Settings settings_;
  AttentionOptions attention_;
  std::shared_ptr<Layer> query_, key_, value_, mix_, mix_norm_, widen_, narrow_, narrow_norm_;
};

class Bert : public TextModule {
 public:
  explicit Bert(const NetworkConfig& config) : settings_(settings_of(config)) {
    dim = hidden = settings_.width;
    vocab_size = settings_.vocabulary;
    max_tokens = settings_.positions - settings_.position_offset;
    position_offset = settings_.position_offset;
    const int narrow = settings_.embedding_width;
    words_ = table("embeddings.word_embeddings", vocab_size, narrow);
    positions_ = table("embeddings.position_embeddings", settings_.positions, narrow);
    if (settings_.segments > 0) segments_ = table("embeddings.token_type_embeddings", settings_.segments, narrow);
    norm_ = layer_norm("embeddings.LayerNorm", narrow);
    if (narrow != dim) widen_ = linear("embeddings_project", dim, narrow);
    for (int i = 0; i < settings_.layers; ++i)
      layers_.push_back(make<BertLayer>("encoder.layer." + std::to_string(i), settings_));
    if (settings_.relative) distances_ = table("encoder.relative_attention_bias", kBuckets, settings_.heads);
  }

  Value forward(Ops& ops, const TextInputs& inputs) const override {
    Value x = ops.embedding(inputs.ids, *words_);
    if (segments_) x = ops.add(x, ops.embedding(inputs.segments, *segments_));
    x = ops.add(x, ops.embedding(inputs.positions, *positions_));
    x = ops.dropout(ops.layer_norm(x, *norm_, settings_.epsilon), settings_.dropout);
    if (widen_) x = ops.linear(x, *widen_);
    const torch::Tensor bias = distances_ ? distances_->weight : torch::Tensor();
    for (const auto& layer : layers_) x = layer->forward(ops, x, bias);
    return x;
  }

 private:
  Settings settings_;
  std::shared_ptr<Layer> words_, positions_, segments_, norm_, widen_, distances_;
  std::vector<std::shared_ptr<BertLayer>> layers_;
};

}  // namespace

TextFamily bert_family() {
  return {"bert", bert_variants(),
          [](const NetworkConfig& config) -> std::shared_ptr<TextModule> { return std::make_shared<Bert>(config); },
          bert_layouts()};
}

}  // namespace pictrieve
