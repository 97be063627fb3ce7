// The vision transformers that people know by name; vit.cpp is their definition.
#include <map>
#include <utility>

#include "pictrieve/nn/families.h"
#include "pictrieve/nn/vit.h"

namespace pictrieve {
namespace {

using Variants = std::map<std::string, NetworkConfig>;

struct Size {
  const char* name;
  int dim, depth, heads, mlp;
};

constexpr Size kTiny{"tiny", 192, 12, 3, 768};
constexpr Size kSmall{"small", 384, 12, 6, 1536};
constexpr Size kMedium{"medium", 512, 12, 8, 2048};
constexpr Size kBetwixt{"betwixt", 640, 12, 10, 2560};
constexpr Size kBase{"base", 768, 12, 12, 3072};
constexpr Size kLarge{"large", 1024, 24, 16, 4096};
constexpr Size kShape{"so400m", 1152, 27, 16, 4304};  // optimised for its cost (arXiv:2305.13035)
constexpr Size kHuge{"huge", 1280, 32, 16, 5120};
constexpr Size kGiant{"giant", 1536, 40, 24, 4096};  // with SwiGLU

constexpr int kClasses = 1000;

NetworkConfig sized(const Size& size, int patch, int image) {
  return {{"hidden_size", int64_t{size.dim}},
          {"num_hidden_layers", int64_t{size.depth}},
          {"num_attention_heads", int64_t{size.heads}},
          {"intermediate_size", int64_t{size.mlp}},
          {"patch_size", int64_t{patch}},
          {"image_size", int64_t{image}}};
}

std::string named(const char* prefix, const Size& size, int patch, const std::string& kind, int image) {
  std::string name(prefix);
  name.append("_").append(size.name).append("_patch").append(std::to_string(patch)).append(kind);
  if (image > 0) name.append("_").append(std::to_string(image));
  return name;
}

struct Member {
  Size size;
  int patch, image;
};

/// timm's names: vit_base_patch16<kind>_224.
void add(Variants& to, const char* prefix, const std::string& kind, const std::vector<Member>& members,
         const NetworkConfig& common) {
  for (const auto& [size, patch, image] : members)
    to[named(prefix, size, patch, kind, image)] = common.with_defaults(sized(size, patch, image));
}

const NetworkConfig kClassifier{{"num_classes", int64_t{kClasses}}};

void add_classifiers(Variants& to) {
  add(to, "vit", "",
      {{kTiny, 16, 224},
       {kTiny, 16, 384},
       {kSmall, 32, 224},
       {kSmall, 32, 384},
       {kSmall, 16, 224},
       {kSmall, 16, 384},
       {kSmall, 8, 224},
       {kBase, 32, 224},
       {kBase, 32, 384},
       {kBase, 16, 224},
       {kBase, 16, 384},
       {kBase, 8, 224},
       {kLarge, 32, 224},
       {kLarge, 32, 384},
       {kLarge, 16, 224},
       {kLarge, 16, 384},
       {kLarge, 14, 224},
       {kHuge, 14, 224}},
      kClassifier);
  add(to, "deit", "", {{kTiny, 16, 224}, {kSmall, 16, 224}, {kBase, 16, 224}, {kBase, 16, 384}}, kClassifier);
  add(to, "deit3", "",
      {{kSmall, 16, 224},
       {kSmall, 16, 384},
       {kMedium, 16, 224},
       {kBase, 16, 224},
       {kBase, 16, 384},
       {kLarge, 16, 224},
       {kLarge, 16, 384},
       {kHuge, 14, 224}},
      NetworkConfig{{"position_tokens", "none"}, {"layerscale_value", 1e-6}}.with_defaults(kClassifier));
  const auto torchvision = [&](const char* name, const Size& size, int patch) {
    to[name] = kClassifier.with_defaults(sized(size, patch, 224));
  };
  torchvision("vit_b_16", kBase, 16);
  torchvision("vit_b_32", kBase, 32);
  torchvision("vit_l_16", kLarge, 16);
  torchvision("vit_l_32", kLarge, 32);
  torchvision("vit_h_14", kHuge, 14);
}

/// Pooled by the mean of the patches.
void add_averaging(Variants& to) {
  const NetworkConfig averaging =
      NetworkConfig{{"class_token", false}, {"global_pool", "avg"}}.with_defaults(kClassifier);
  const NetworkConfig scaled{{"layerscale_value", 1e-5}, {"position_tokens", "none"}};
  const auto registers = [&](int count) {
    return NetworkConfig{{"num_register_tokens", int64_t{count}}, {"position_tokens", "none"}}.with_defaults(averaging);
  };
  add(to, "vit", "_gap", {{kMedium, 16, 240}, {kMedium, 16, 256}, {kMedium, 16, 384}, {kBetwixt, 16, 256}},
      NetworkConfig{{"fc_norm", false}, {"qkv_bias", false}, {"layerscale_value", 1e-6}}.with_defaults(averaging));
  add(to, "vit", "_gap", {{{"base", 768, 12, 16, 3072}, 16, 224}, {kHuge, 14, 224}},
      NetworkConfig{{"fc_norm", false}}.with_defaults(averaging));
  add(to, "vit", "_reg1_gap", {{kMedium, 16, 256}, {kBetwixt, 16, 256}}, scaled.with_defaults(registers(1)));
  add(to, "vit", "_reg4_gap", {{kMedium, 16, 256}, {kBetwixt, 16, 256}, {kBetwixt, 16, 384}},
      scaled.with_defaults(registers(4)));
  add(to, "vit", "_reg4_gap", {{kBase, 16, 256}}, registers(4));
}

/// Vision towers of CLIP with a classifier in place of the projection.
void add_clip_classifiers(Variants& to) {
  const NetworkConfig clip = NetworkConfig{{"pre_norm", true}, {"layer_norm_eps", 1e-5}}.with_defaults(kClassifier);
  add(to, "vit", "_clip",
      {{kMedium, 16, 224},
       {kBase, 32, 224},
       {kBase, 32, 256},
       {kBase, 32, 384},
       {kBase, 32, 448},
       {kBase, 16, 224},
       {kBase, 16, 384},
       {kLarge, 14, 224},
       {kLarge, 14, 336},
       {kHuge, 14, 224},
       {kHuge, 14, 336},
       {kHuge, 14, 378}},
      clip);
  add(to, "vit", "_clip_quickgelu",
      {{kBase, 32, 224}, {kBase, 16, 224}, {kLarge, 14, 224}, {kLarge, 14, 336}, {kHuge, 14, 224}, {kHuge, 14, 378}},
      NetworkConfig{{"hidden_act", "quick_gelu"}}.with_defaults(clip));
}

Variants vit_variants() {
  Variants variants{{"vit", NetworkConfig{{"layer_norm_eps", 1e-12}, {"positions_antialias", false}}.with_defaults(
                                sized(kBase, 16, 224))}};
  add_classifiers(variants);
  add_averaging(variants);
  add_clip_classifiers(variants);
  return variants;
}

Variants dinov2_variants() {
  constexpr int kSide = 518, kPatch = 14, kRegisters = 4;
  const NetworkConfig scaled{{"layerscale_value", 1e-5}};
  const NetworkConfig registers{{"num_register_tokens", int64_t{kRegisters}}, {"position_tokens", "class"}};
  const NetworkConfig gated{{"use_swiglu_ffn", true}};
  Variants variants;
  const std::pair<Size, const char*> sizes[] = {{kSmall, "s"}, {kBase, "b"}, {kLarge, "l"}, {kGiant, "g"}};
  for (const auto& [size, letter] : sizes) {
    const NetworkConfig plain = size.dim == kGiant.dim ? gated.with_defaults(scaled) : scaled;
    const NetworkConfig own = plain.with_defaults(sized(size, kPatch, kSide));
    const std::string name = std::string("dinov2_vit") + letter + "14";
    variants[name] = NetworkConfig{{"positions_antialias", false}}.with_defaults(own);
    variants[name + "_reg"] = registers.with_defaults(own);
    variants[named("vit", size, kPatch, "_dinov2", 0)] = own;
    variants[named("vit", size, kPatch, "_reg4_dinov2", 0)] =
        NetworkConfig{{"position_tokens", "none"}}.with_defaults(registers.with_defaults(own));
  }
  // As transformers' config.json begins; it has no intermediate_size.
  NetworkConfig base{{"hidden_size", int64_t{kBase.dim}},
                     {"num_hidden_layers", int64_t{kBase.depth}},
                     {"num_attention_heads", int64_t{kBase.heads}},
                     {"patch_size", int64_t{kPatch}},
                     {"image_size", int64_t{224}},
                     {"layerscale_value", 1.0},
                     {"classifier_input", "token_and_mean"}};
  variants["dinov2"] = NetworkConfig{{"positions_antialias", false}}.with_defaults(base);
  variants["dinov2_with_registers"] = registers.with_defaults(base);
  return variants;
}

/// open_clip's names; those of OpenAI's weights end with "-quickgelu".
Variants clip_variants() {
  const NetworkConfig clip{{"pre_norm", true}, {"layer_norm_eps", 1e-5}, {"positions_antialias", false}};
  const NetworkConfig quick{{"hidden_act", "quick_gelu"}};
  Variants variants;
  const auto tower = [&](const std::string& name, const Size& size, int patch, int image, int projected) {
    variants[name] = NetworkConfig{{"projection_dim", int64_t{projected}}}.with_defaults(
        clip.with_defaults(sized(size, patch, image)));
    variants[name + "-quickgelu"] = quick.with_defaults(variants[name]);
  };
  tower("ViT-B-32", kBase, 32, 224, 512);
  tower("ViT-B-16", kBase, 16, 224, 512);
  tower("ViT-L-14", kLarge, 14, 224, 768);
  tower("ViT-L-14-336", kLarge, 14, 336, 768);
  tower("ViT-H-14", kHuge, 14, 224, 1024);
  variants["clip_vision_model"] = variants["ViT-B-32-quickgelu"];
  return variants;
}

Variants siglip_variants() {
  const NetworkConfig map{{"class_token", false}, {"global_pool", "map"}};
  const NetworkConfig gap{{"class_token", false}, {"global_pool", "avg"}, {"fc_norm", false}};
  const NetworkConfig tanh{{"hidden_act", "gelu_tanh"}};
  const std::vector<Member> exact{{kBase, 16, 224},  {kBase, 16, 256},  {kBase, 16, 384},
                                  {kBase, 16, 512},  {kLarge, 16, 256}, {kLarge, 16, 384},
                                  {kShape, 14, 224}, {kShape, 14, 378}, {kShape, 14, 384}};
  const std::vector<Member> by_tanh{
      {kBase, 32, 256}, {kLarge, 16, 512}, {kShape, 16, 256}, {kShape, 16, 384}, {kShape, 16, 512}};
  Variants variants;
  add(variants, "vit", "_siglip", exact, map);
  add(variants, "vit", "_siglip_gap", exact, gap);
  add(variants, "vit", "_siglip", by_tanh, tanh.with_defaults(map));
  add(variants, "vit", "_siglip_gap", by_tanh, tanh.with_defaults(gap));
  variants["siglip_vision_model"] = NetworkConfig{{"positions_antialias", false}}
                                        .with_defaults(tanh.with_defaults(map))
                                        .with_defaults(sized(kBase, 16, 224));
  return variants;
}

}  // namespace

ImageFamily vit_family() { return {"vit", vit_variants(), make_vit, vit_layouts()}; }
ImageFamily dinov2_family() { return {"dinov2", dinov2_variants(), make_vit, dinov2_layouts()}; }
ImageFamily clip_vision_family() { return {"clip_vision_model", clip_variants(), make_vit, clip_vision_layouts()}; }
ImageFamily siglip_vision_family() {
  return {"siglip_vision_model", siglip_variants(), make_vit, siglip_vision_layouts()};
}

}  // namespace pictrieve
