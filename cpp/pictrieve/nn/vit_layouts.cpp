// How transformers, torchvision, open_clip, OpenAI and DINOv2's authors name the parameters of vision transformers.
#include "pictrieve/nn/vit.h"

namespace pictrieve {
namespace {

using Rules = std::vector<KeyRule>;

/// Rules for the names that follow `prefix` in a file.
Rules behind(const std::string& prefix, Rules rules) {
  for (KeyRule& rule : rules) {
    std::string theirs = prefix;
    for (const char letter : rule.theirs) theirs += letter == '|' ? "|" + prefix : std::string(1, letter);
    rule.theirs = theirs;
  }
  return rules;
}

Rules joined(Rules rules, const Rules& more) {
  rules.insert(rules.end(), more.begin(), more.end());
  return rules;
}

/// What ViT and DINOv2 share in transformers.
Rules transformers_rules(const Rules& own) {
  const std::string layer = "encoder.layer.{}.", attention = layer + "attention.attention.";
  return joined(own, {{"cls_token", "embeddings.cls_token"},
                      {"pos_embed", "embeddings.position_embeddings"},
                      {"", "embeddings.mask_token"},
                      {"patch_embed.proj", "embeddings.patch_embeddings.projection"},
                      {"blocks.{}.attn.qkv", attention + "query|" + attention + "key|" + attention + "value"},
                      {"blocks.{}.attn.proj", layer + "attention.output.dense"},
                      {"norm", "layernorm"},
                      {"", "pooler"}});
}

Rules vit_rules(const std::string& prefix) {
  const Rules rules = transformers_rules({{"blocks.{}.norm1", "encoder.layer.{}.layernorm_before"},
                                          {"blocks.{}.norm2", "encoder.layer.{}.layernorm_after"},
                                          {"blocks.{}.mlp.fc1", "encoder.layer.{}.intermediate.dense"},
                                          {"blocks.{}.mlp.fc2", "encoder.layer.{}.output.dense"}});
  return joined(behind(prefix, rules), {{"head", "classifier"}});
}

Rules dinov2_rules(const NetworkConfig& config, const std::string& prefix) {
  const bool gated = config.flag("use_swiglu_ffn", false);
  const std::string layer = "encoder.layer.{}.", mlp = layer + "mlp.";
  const Rules rules = transformers_rules({{"reg_token", "embeddings.register_tokens"},
                                          {"blocks.{}.norm1", layer + "norm1"},
                                          {"blocks.{}.norm2", layer + "norm2"},
                                          {"blocks.{}.ls1.gamma", layer + "layer_scale1.lambda1"},
                                          {"blocks.{}.ls2.gamma", layer + "layer_scale2.lambda1"},
                                          {"blocks.{}.mlp.fc1", mlp + (gated ? "weights_in" : "fc1")},
                                          {"blocks.{}.mlp.fc2", mlp + (gated ? "weights_out" : "fc2")}});
  const bool with_head = config.integer("num_classes", 0) > 0;
  return joined(behind(prefix, rules), {{with_head ? "head" : "", "classifier"}});
}

Rules torchvision_rules(const NetworkConfig&) {
  const std::string layer = "encoder.layers.encoder_layer_{}.";
  return {{"cls_token", "class_token"},
          {"pos_embed", "encoder.pos_embedding"},
          {"patch_embed.proj", "conv_proj"},
          {"blocks.{}.norm1", layer + "ln_1"},
          {"blocks.{}.norm2", layer + "ln_2"},
          {"blocks.{}.attn.qkv.weight", layer + "self_attention.in_proj_weight"},
          {"blocks.{}.attn.qkv.bias", layer + "self_attention.in_proj_bias"},
          {"blocks.{}.attn.proj", layer + "self_attention.out_proj"},
          {"blocks.{}.mlp.fc1", layer + "mlp.0"},
          {"blocks.{}.mlp.fc2", layer + "mlp.3"},
          {"blocks.{}.mlp.fc1", layer + "mlp.linear_1"},  // its published weights
          {"blocks.{}.mlp.fc2", layer + "mlp.linear_2"},
          {"norm", "encoder.ln"},
          {"head", "heads.head"}};
}

/// What the vision towers of CLIP and SigLIP share in transformers, behind `prefix`; the text tower is left out.
Rules tower_rules(const std::string& prefix, const Rules& own) {
  const std::string layer = "encoder.layers.{}.", attention = layer + "self_attn.";
  const Rules rules = {{"pos_embed", "embeddings.position_embedding.weight-"},
                       {"patch_embed.proj", "embeddings.patch_embedding"},
                       {"", "embeddings.position_ids"},
                       {"blocks.{}.norm1", layer + "layer_norm1"},
                       {"blocks.{}.norm2", layer + "layer_norm2"},
                       {"blocks.{}.attn.qkv", attention + "q_proj|" + attention + "k_proj|" + attention + "v_proj"},
                       {"blocks.{}.attn.proj", attention + "out_proj"},
                       {"blocks.{}.mlp", layer + "mlp"},
                       {"norm", "post_layernorm"}};
  return joined(behind(prefix, joined(own, rules)), {{"projection", "visual_projection"},
                                                     {"", "text_model"},
                                                     {"", "text_projection"},
                                                     {"", "logit_scale"},
                                                     {"", "logit_bias"}});
}

Rules clip_rules(const std::string& prefix) {
  return tower_rules(prefix,
                     {{"cls_token", "embeddings.class_embedding--"}, {"norm_pre", "pre_layrnorm"}});  // their spelling
}

Rules siglip_rules(const std::string& prefix) {
  return tower_rules(prefix, {{"attn_pool.latent", "head.probe"},
                              {"attn_pool.q.weight|attn_pool.kv.weight*2", "head.attention.in_proj_weight"},
                              {"attn_pool.q.bias|attn_pool.kv.bias*2", "head.attention.in_proj_bias"},
                              {"attn_pool.proj", "head.attention.out_proj"},
                              {"attn_pool.norm", "head.layernorm"},
                              {"attn_pool.mlp", "head.mlp"}});
}

/// The text towers beside open_clip's and OpenAI's vision towers, and what OpenAI keeps with them.
const Rules kTextTower = {{"", "transformer"},
                          {"", "token_embedding"},
                          {"", "positional_embedding"},
                          {"", "ln_final"},
                          {"", "text_projection"},
                          {"", "logit_scale"},
                          {"", "logit_bias"},
                          {"", "text"},
                          {"", "input_resolution"},
                          {"", "context_length"},
                          {"", "vocab_size"}};

Rules open_clip_rules(const NetworkConfig&) {
  const std::string layer = "transformer.resblocks.{}.";
  const Rules rules = {{"cls_token", "class_embedding--"},
                       {"pos_embed", "positional_embedding-"},
                       {"patch_embed.proj", "conv1"},
                       {"norm_pre", "ln_pre"},
                       {"blocks.{}.norm1", layer + "ln_1"},
                       {"blocks.{}.norm2", layer + "ln_2"},
                       {"blocks.{}.ls1", layer + "ls_1"},
                       {"blocks.{}.ls2", layer + "ls_2"},
                       {"blocks.{}.attn.qkv.weight", layer + "attn.in_proj_weight"},
                       {"blocks.{}.attn.qkv.bias", layer + "attn.in_proj_bias"},
                       {"blocks.{}.attn.proj", layer + "attn.out_proj"},
                       {"blocks.{}.mlp.fc1", layer + "mlp.c_fc"},
                       {"blocks.{}.mlp.fc2", layer + "mlp.c_proj"},
                       {"norm", "ln_post"},
                       {"projection.weight", "proj'"}};
  return joined(behind("visual.", rules), kTextTower);
}

Rules open_clip_trunk_rules(const NetworkConfig&) { return joined({{"{}", "visual.trunk.{}"}}, kTextTower); }

Rules dinov2_own_rules(const NetworkConfig&) { return {{"reg_token", "register_tokens"}, {"", "mask_token"}}; }

}  // namespace

std::vector<Layout> vit_layouts() {
  return {{"transformers", "vit.embeddings.cls_token", [](const NetworkConfig&) { return vit_rules("vit."); }},
          {"transformers", "embeddings.cls_token", [](const NetworkConfig&) { return vit_rules(""); }},
          {"torchvision", "conv_proj", torchvision_rules}};
}

std::vector<Layout> dinov2_layouts() {
  return {
      {"transformers", "embeddings.cls_token", [](const NetworkConfig& config) { return dinov2_rules(config, ""); }},
      {"transformers", "dinov2.embeddings.cls_token",
       [](const NetworkConfig& config) { return dinov2_rules(config, "dinov2."); }},
      {"transformers", "dinov2_with_registers.embeddings.cls_token",
       [](const NetworkConfig& config) { return dinov2_rules(config, "dinov2_with_registers."); }},
      {"dinov2", "mask_token", dinov2_own_rules}};
}

std::vector<Layout> clip_vision_layouts() {
  return {
      {"transformers", "vision_model.pre_layrnorm", [](const NetworkConfig&) { return clip_rules("vision_model."); }},
      {"transformers", "pre_layrnorm", [](const NetworkConfig&) { return clip_rules(""); }},
      {"open_clip", "visual.ln_pre", open_clip_rules}};
}

std::vector<Layout> siglip_vision_layouts() {
  return {{"transformers", "vision_model.post_layernorm",
           [](const NetworkConfig&) { return siglip_rules("vision_model."); }},
          {"transformers", "post_layernorm", [](const NetworkConfig&) { return siglip_rules(""); }},
          {"open_clip", "visual.trunk", open_clip_trunk_rules}};
}

}  // namespace pictrieve
