// Configurations come from files that anybody may have written: each family takes or refuses them by their numbers
// alone, before memory is taken or a number overflows.
#include "pictrieve/nn/network_settings.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <vector>

#include "pictrieve/nn/frozen.h"

namespace pictrieve {
namespace {

using Sizes = std::vector<int64_t>;

constexpr int64_t kHuge = 1 << 24;

struct Refused {
  const char* architecture;
  NetworkConfig config;
};

TEST(NetworkSettings, OfImageNetworksAreChecked) {
  const Sizes many(33, 1);
  const std::vector<Refused> all{
      {"vgg11", {{"depths", many}, {"hidden_sizes", many}}},
      {"vgg11", {{"depths", Sizes{1}}}},
      {"vgg11", {{"num_classes", -1}}},
      {"resnet18", {{"depths", Sizes{2, 2, 2, 0}}}},
      {"resnet18", {{"depths", Sizes{2, 2, 2, kHuge}}}},
      {"resnet50", {{"hidden_sizes", Sizes{10, 20, 30, 40}}}},
      {"resnet50", {{"groups", 0}}},
      {"cifar_resnet20", {{"num_blocks", -3}}},
      {"vit_b_16", {{"patch_size", 0}}},
      {"vit_b_16", {{"patch_size", kHuge}, {"image_size", kHuge}}},
      {"vit_b_16", {{"image_size", 15}}},
      {"vit_b_16", {{"num_attention_heads", 7}}},
      {"vit_b_16", {{"num_classes", -1}}},
      {"vit_b_16", {{"num_register_tokens", -1}}},
      {"vit_b_16", {{"num_hidden_layers", 5000}}},
      {"vit_b_16", {{"hidden_act", "none of them"}}},
      {"swin_t", {{"num_heads", Sizes{3, 6, 12}}}},
      {"swin_t", {{"num_heads", Sizes{5, 5, 5, 5}}}},
      {"swin_t", {{"window_size", 0}}},
      {"swin_t", {{"num_classes", -1}}},
      {"swin_t", {{"mlp_ratio", 1e9}}},
      {"swin_t", {{"depths", Sizes(7, 1)}, {"num_heads", Sizes(7, 1)}}},
      {"convnext_tiny", {{"patch_size", kHuge}}},
      {"convnext_tiny", {{"depths", Sizes(9, 1)}, {"hidden_sizes", Sizes(9, 1)}}},
      {"RN50", {{"heads", 7}}},
      {"RN50", {{"width", 63}}},
      {"RN50", {{"image_size", 31}}},
      {"efficientnet_b0", {{"width_coefficient", 1e9}}},
      {"efficientnet_b0", {{"depth_coefficient", -1.0}}},
      {"efficientnet_b0", {{"strides", Sizes{0, 1, 1, 1, 1, 1, 1}}}},
      {"mobilenet_v2", {{"depth_multiplier", 0.0}}},
      {"mobilenet_v3_small", {{"depth_multiplier", 1e9}}},
      {"squeezenet1_1", {{"version", "2"}}},
      {"inception_v3", {{"dropout", 2.0}}},
  };
  for (const auto& [architecture, config] : all)
    EXPECT_THROW(image_facts(architecture, config), std::invalid_argument) << architecture;
}

TEST(NetworkSettings, OfTextNetworksAreChecked) {
  const std::vector<Refused> all{
      {"bert", {{"num_attention_heads", 7}}},
      {"bert", {{"vocab_size", -1}}},
      {"bert", {{"num_hidden_layers", 0}}},
      {"bert", {{"model_type", "roberta"}, {"pad_token_id", 600}, {"max_position_embeddings", 514}}},
      {"bert", {{"model_type", "roberta"}, {"pad_token_id", 2147483647}}},
      {"gpt2", {{"n_head", 0}}},
      {"gpt2", {{"n_embd", 100}}},
      {"clip_text_model", {{"num_attention_heads", 7}}},
      {"modernbert", {{"num_attention_heads", 256}}},
      {"modernbert", {{"local_attention", 1}}},
  };
  for (const auto& [architecture, config] : all)
    EXPECT_THROW(random_text_network(architecture, config, 1), std::invalid_argument) << architecture;
}

TEST(NetworkSettings, HaveTheLeastPicturesThatTheirPoolsCanTake) {
  const auto least = [](const char* architecture) { return image_facts(architecture, {}).least_size; };
  EXPECT_EQ(least("vgg16"), 32);
  EXPECT_EQ(least("inception_v3"), 75);
  EXPECT_EQ(least("convnext_tiny"), 32);
  EXPECT_EQ(least("vit_b_16"), 16);
  EXPECT_EQ(least("resnet18"), 5);
}

}  // namespace
}  // namespace pictrieve
