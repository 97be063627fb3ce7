#include "pictrieve/nn/bert_names.h"

#include "pictrieve/base/error.h"

namespace pictrieve {
namespace {

using Rules = std::vector<KeyRule>;

struct Known {
  const char* model_type;
  BertKind kind;
  const char* prefix;  ///< of the encoder in a checkpoint that has a head too
};
constexpr Known kKnown[] = {
    {"bert", BertKind::Bert, "bert."},
    {"roberta", BertKind::Roberta, "roberta."},
    {"xlm-roberta", BertKind::Roberta, "roberta."},
    {"camembert", BertKind::Roberta, "roberta."},
    {"electra", BertKind::Electra, "electra."},
    {"distilbert", BertKind::Distilbert, "distilbert."},
    {"mpnet", BertKind::Mpnet, "mpnet."},
};

const Known& known(const NetworkConfig& config) {
  const std::string type = config.word("model_type", "bert");
  std::string names;
  for (const Known& one : kKnown) {
    if (type == one.model_type) return one;
    names += (names.empty() ? "" : ", ") + std::string(one.model_type);
  }
  throw std::invalid_argument(
      message("network configuration: model_type: expected one of ", names, ", got '", type, "'"));
}

/// `pairs` of our and their names of parts of a layer.
void add_layers(Rules& rules, const std::string& theirs, const Rules& pairs) {
  for (const KeyRule& pair : pairs)
    rules.push_back({"encoder.layer.{}." + pair.ours, theirs + ".layer.{}." + pair.theirs});
}

/// Names under a prefix, or of the bare encoder where it is empty.
Rules rules_under(const std::string& prefix, BertKind kind) {
  Rules rules{{"embeddings", prefix + "embeddings"}};
  if (kind == BertKind::Distilbert) {
    add_layers(rules, prefix + "transformer",
               {{"attention.self.query", "attention.q_lin"},
                {"attention.self.key", "attention.k_lin"},
                {"attention.self.value", "attention.v_lin"},
                {"attention.output.dense", "attention.out_lin"},
                {"attention.output.LayerNorm", "sa_layer_norm"},
                {"intermediate.dense", "ffn.lin1"},
                {"output.dense", "ffn.lin2"},
                {"output.LayerNorm", "output_layer_norm"}});
    return rules;
  }
  if (kind == BertKind::Mpnet)
    add_layers(rules, prefix + "encoder",
               {{"attention.self.query", "attention.attn.q"},
                {"attention.self.key", "attention.attn.k"},
                {"attention.self.value", "attention.attn.v"},
                {"attention.output.dense", "attention.attn.o"},
                {"attention.output.LayerNorm", "attention.LayerNorm"}});
  rules.push_back({"embeddings_project", prefix + "embeddings_project"});
  rules.push_back({"encoder", prefix + "encoder"});
  rules.push_back({"", prefix + "pooler"});
  return rules;
}

Rules bare(const NetworkConfig& config) { return rules_under("", known(config).kind); }

Rules beside_a_head(const NetworkConfig& config) {
  Rules rules = rules_under(known(config).prefix, known(config).kind);
  for (const char* head : {"cls", "lm_head", "classifier", "pre_classifier", "qa_outputs", "vocab_transform",
                           "vocab_layer_norm", "vocab_projector", "discriminator_predictions", "generator_predictions",
                           "generator_lm_head", "sequence_summary"})
    rules.push_back({"", head});
  return rules;
}

/// Norms with a gamma and a beta, as the first checkpoints of BERT have them.
Rules tensorflow(const NetworkConfig& config) {
  Rules rules;
  for (const std::string norm :
       {"embeddings.LayerNorm", "encoder.layer.{}.attention.output.LayerNorm", "encoder.layer.{}.output.LayerNorm"}) {
    rules.push_back({norm + ".weight", "bert." + norm + ".gamma"});
    rules.push_back({norm + ".bias", "bert." + norm + ".beta"});
  }
  const Rules others = beside_a_head(config);
  rules.insert(rules.end(), others.begin(), others.end());
  return rules;
}

}  // namespace

BertKind bert_kind(const NetworkConfig& config) { return known(config).kind; }

std::map<std::string, NetworkConfig> bert_variants() {
  const NetworkConfig base{{"model_type", "bert"},
                           {"vocab_size", 30522},
                           {"hidden_size", 768},
                           {"num_hidden_layers", 12},
                           {"num_attention_heads", 12},
                           {"intermediate_size", 3072},
                           {"hidden_act", "gelu"},
                           {"layer_norm_eps", 1e-12},
                           {"hidden_dropout_prob", 0.1},
                           {"type_vocab_size", 2},
                           {"max_position_embeddings", 512},
                           {"attention_probs_dropout_prob", 0.1}};
  const auto like_base = [&](const NetworkConfig& difference) { return difference.with_defaults(base); };
  return {{"bert", base},
          {"roberta", like_base({{"model_type", "roberta"}, {"vocab_size", 50265}, {"pad_token_id", 1}})},
          {"xlm-roberta", like_base({{"model_type", "xlm-roberta"}, {"pad_token_id", 1}})},
          {"camembert", like_base({{"model_type", "camembert"}, {"pad_token_id", 1}})},
          {"electra", like_base({{"model_type", "electra"},
                                 {"embedding_size", 128},
                                 {"hidden_size", 256},
                                 {"num_attention_heads", 4},
                                 {"intermediate_size", 1024}})},
          {"mpnet", like_base({{"model_type", "mpnet"}, {"vocab_size", 30527}})},
          {"distilbert",
           {{"model_type", "distilbert"},
            {"vocab_size", 30522},
            {"max_position_embeddings", 512},
            {"n_layers", 6},
            {"n_heads", 12},
            {"dim", 768},
            {"hidden_dim", 3072}}}};
}

std::vector<Layout> bert_layouts() {
  std::vector<Layout> layouts{{"transformers", "pooler", bare},
                              {"transformers", "transformer.layer.{}.attention.q_lin", bare},
                              {"transformers", "encoder.layer.{}.attention.attn", bare},
                              {"tensorflow", "bert.embeddings.LayerNorm.gamma", tensorflow}};
  for (const char* prefix : {"bert", "roberta", "electra", "distilbert", "mpnet"})
    layouts.push_back({"transformers with a head", prefix, beside_a_head});
  return layouts;
}

}  // namespace pictrieve
