// How transformers, torchvision and the paper's authors name the parameters of Swin transformers.
#include "pictrieve/nn/swin.h"

namespace pictrieve {
namespace {

using Rules = std::vector<KeyRule>;

/// timm's stage s begins with the merging that ends the stage before for all others.
Rules merging_rules(const NetworkConfig& config, const std::string& stages) {
  Rules rules;
  for (size_t s = 1; s < config.sizes("depths").size(); ++s)
    rules.push_back({"layers." + std::to_string(s) + ".downsample", stages + std::to_string(s - 1) + ".downsample"});
  return rules;
}

Rules transformers_rules(const NetworkConfig& config, const std::string& prefix) {
  const std::string stages = prefix + "encoder.layers.", block = stages + "{}.blocks.{}.";
  const std::string ours = "layers.{}.blocks.{}.", attention = block + "attention.self.";
  Rules rules = merging_rules(config, stages);
  const Rules others = {{"patch_embed.proj", prefix + "embeddings.patch_embeddings.projection"},
                        {"patch_embed.norm", prefix + "embeddings.norm"},
                        {"", prefix + "embeddings.mask_token"},
                        {ours + "norm1", block + "layernorm_before"},
                        {ours + "norm2", block + "layernorm_after"},
                        {ours + "attn.qkv", attention + "query|" + attention + "key|" + attention + "value"},
                        {ours + "attn.relative_position_bias_table", attention + "relative_position_bias_table"},
                        {"", attention + "relative_position_index"},
                        {ours + "attn.proj", block + "attention.output.dense"},
                        {ours + "mlp.fc1", block + "intermediate.dense"},
                        {ours + "mlp.fc2", block + "output.dense"},
                        {"norm", prefix + "layernorm"},
                        {"head.fc", "classifier"}};
  rules.insert(rules.end(), others.begin(), others.end());
  return rules;
}

/// Its parts are counted: the patches, then blocks and mergings in turn.
Rules torchvision_rules(const NetworkConfig& config) {
  Rules rules = {{"patch_embed.proj", "features.0.0"}, {"patch_embed.norm", "features.0.2"}, {"head.fc", "head"}};
  for (size_t s = 0; s < config.sizes("depths").size(); ++s) {
    const std::string stage = "layers." + std::to_string(s) + ".", ours = stage + "blocks.{}.";
    const std::string block = "features." + std::to_string(2 * s + 1) + ".{}.";
    if (s > 0) rules.push_back({stage + "downsample", "features." + std::to_string(2 * s)});
    rules.push_back({"", block + "attn.relative_position_index"});
    rules.push_back({ours + "mlp.fc1", block + "mlp.0"});
    rules.push_back({ours + "mlp.fc2", block + "mlp.3"});
    rules.push_back({stage + "blocks.{}.{}", block + "{}"});
  }
  return rules;
}

const Rules kComputed = {{"", "layers.{}.blocks.{}.attn.relative_position_index"},
                         {"", "layers.{}.blocks.{}.attn_mask"}};

Rules authors_rules(const NetworkConfig& config) {
  Rules rules = merging_rules(config, "layers.");
  rules.insert(rules.end(), kComputed.begin(), kComputed.end());
  rules.push_back({"head.fc", "head"});
  return rules;
}

}  // namespace

std::vector<Layout> swin_layouts() {
  return {{"transformers", "swin.embeddings.patch_embeddings",
           [](const NetworkConfig& config) { return transformers_rules(config, "swin."); }},
          {"transformers", "embeddings.patch_embeddings",
           [](const NetworkConfig& config) { return transformers_rules(config, ""); }},
          {"torchvision", "features.0.0", torchvision_rules},
          {"microsoft", "layers.0.downsample", authors_rules},
          {"timm", "layers.{}.blocks.{}.attn.relative_position_index", [](const NetworkConfig&) { return kComputed; }}};
}

}  // namespace pictrieve
