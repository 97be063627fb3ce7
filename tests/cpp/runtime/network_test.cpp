// The same network executed by Torch and as a fused plan, on random weights.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <map>
#include <random>
#include <thread>
#include <vector>

#include "pictrieve/base/error.h"
#include "pictrieve/nn/bert.h"
#include "pictrieve/nn/parameters.h"
#include "pictrieve/nn/registry.h"
#include "pictrieve/nn/torch_ops.h"
#include "pictrieve/runtime/image_network.h"
#include "pictrieve/runtime/text_network.h"

namespace pictrieve {
namespace {

constexpr uint64_t kSeed = 5;

float largest_difference(const torch::Tensor& expected, const float* got) {
  const torch::Tensor found = torch::from_blob(const_cast<float*>(got), expected.sizes());
  return (expected - found).abs().max().item<float>();  // in the precision of `expected`
}

class Images : public testing::TestWithParam<std::pair<int, int>> {};

TEST_P(Images, PlanEqualsTorch) {
  const torch::NoGradGuard no_grad;
  const auto [height, width] = GetParam();
  const auto module = make_image_module("efficientnet_lite0");
  randomize_parameters(*module, kSeed);
  module->eval();
  module->to(torch::kFloat64);  // random weights amplify rounding: the reference must be better than float32
  const auto network = ImageNetwork::load_random("efficientnet_lite0", kSeed);
  torch::manual_seed(1);
  const torch::Tensor pixels = torch::rand({2, 3, height, width}) * 2 - 1;
  TorchOps ops;
  const ImageValues expected = module->forward(ops, {pixels.to(torch::kFloat64)});

  const FeatureMapShape shape = network->feature_map_shape(height, width);
  Matrix<float> features(2, network->dim()), logits(2, network->classes()), map(2, shape.size());
  network->run(pixels.const_data_ptr<float>(), 2, height, width, {features, logits, map.data()});
  EXPECT_GT(expected.features.tensor.std().item<float>(), 1e-3);  // the comparison means something
  EXPECT_LT(largest_difference(expected.features.tensor, features.data()), 1e-4);
  EXPECT_LT(largest_difference(expected.logits.tensor, logits.data()), 1e-4);
  // Rounding grows with the values: float32 Torch errs by up to 2.4e-5 of the largest one here (they reach 21 before
  // they are clipped to 6), and so does this network with each of oneDNN's instruction sets.
  const auto largest = expected.feature_map.tensor.abs().max().item<float>();
  EXPECT_LT(largest_difference(expected.feature_map.tensor, map.data()), 3e-5 * largest);
}

INSTANTIATE_TEST_SUITE_P(Sizes, Images, testing::Values(std::pair{64, 64}, std::pair{225, 193}, std::pair{1, 9}));

TEST(ImageNetwork, ThreadsRunAtOnce) {
  const auto network = ImageNetwork::load_random("efficientnet_lite0", kSeed);
  const torch::Tensor pixels = torch::rand({12, 3, 50, 40});
  const auto* data = pixels.const_data_ptr<float>();
  const int64_t half = pixels.numel() / 2;
  Matrix<float> expected(12, network->dim()), found(12, network->dim());
  network->run(data, 12, 50, 40, {.features = expected});
  std::vector<std::thread> threads;
  for (int64_t part = 0; part < 2; ++part)
    threads.emplace_back([&, part] {
      network->run(data + part * half, 6, 50, 40, {.features = found.view().slice(part * 6, part * 6 + 6)});
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(std::equal(expected.data(), expected.data() + 12 * network->dim(), found.data()));
}

TEST(ImageNetwork, SaysWhatIsWrong) {
  EXPECT_THROW(ImageNetwork::load_random("resnet18", 0), std::invalid_argument);
  EXPECT_THROW(ImageNetwork::load("efficientnet_lite0", StateDict("empty")), FormatError);
  const auto network = ImageNetwork::load_random("efficientnet_lite0", kSeed);
  Matrix<float> features(1, 7);
  const std::vector<float> pixels(3);
  EXPECT_THROW(network->run(pixels.data(), 1, 1, 1, {.features = features}), std::invalid_argument);
}

const BertConfig kSmall{.vocab_size = 50,
                        .hidden_size = 36,
                        .num_hidden_layers = 3,
                        .num_attention_heads = 3,
                        .intermediate_size = 70,
                        .max_position_embeddings = 20};

TEST(TextNetwork, PlanEqualsTorch) {
  const torch::NoGradGuard no_grad;
  BertModule module(kSmall);
  randomize_parameters(module, kSeed);
  const auto network = TextNetwork::load_random(kSmall, kSeed);
  const std::vector<int64_t> lengths{1, 20, 7, 7, 13};
  std::vector<int32_t> ids;
  std::vector<int64_t> offsets{0};
  std::mt19937 generator(3);
  for (const int64_t length : lengths) {
    for (int64_t i = 0; i < length; ++i) ids.push_back(static_cast<int32_t>(generator() % 50));
    offsets.push_back(static_cast<int64_t>(ids.size()));
  }
  Matrix<float> hidden(static_cast<int64_t>(ids.size()), 36), means(5, 36), firsts(5, 36);
  network->hidden_states(ids, offsets, hidden);
  network->run(ids, offsets, Pooling::kMean, means);
  network->run(ids, offsets, Pooling::kFirst, firsts);
  TorchOps ops;
  for (size_t i = 0; i < lengths.size(); ++i) {
    const torch::Tensor tokens =
        torch::tensor(std::vector<int32_t>(ids.begin() + offsets[i], ids.begin() + offsets[i + 1]))
            .to(torch::kInt64)
            .unsqueeze(0);
    const torch::Tensor expected =
        module.forward(ops, {{tokens}, {torch::arange(lengths[i]).unsqueeze(0)}, {torch::zeros_like(tokens)}})
            .tensor[0];
    EXPECT_LT(largest_difference(expected, hidden.row(offsets[i])), 1e-5);
    EXPECT_LT(largest_difference(expected.mean(0), means.row(static_cast<int64_t>(i))), 1e-5);
    EXPECT_LT(largest_difference(expected[0], firsts.row(static_cast<int64_t>(i))), 1e-5);
  }
}

TEST(TextNetwork, ThreadsRunAtOnce) {
  const auto network = TextNetwork::load_random(kSmall, kSeed);
  const std::vector<int32_t> ids{1, 9, 4, 2, 2, 7, 30, 41};
  const std::vector<int64_t> offsets{0, 3, 8};
  Matrix<float> expected(2, 36);
  network->run(ids, offsets, Pooling::kMean, expected);
  std::vector<std::thread> threads;
  for (int64_t text = 0; text < 2; ++text)
    threads.emplace_back([&, text] {
      const auto part = std::span(ids).subspan(offsets[text], offsets[text + 1] - offsets[text]);
      const std::vector<int64_t> bounds{0, static_cast<int64_t>(part.size())};
      Matrix<float> found(1, 36);
      for (int i = 0; i < 100; ++i) {
        network->run(part, bounds, Pooling::kMean, found);
        ASSERT_TRUE(std::equal(found.data(), found.data() + 36, expected.row(text))) << text << " at " << i;
      }
    });
  for (std::thread& thread : threads) thread.join();
}

TEST(TextNetwork, SaysWhatIsWrong) {
  const auto network = TextNetwork::load_random(kSmall, kSeed);
  Matrix<float> rows(1, 36);
  const auto run = [&](const std::vector<int32_t>& ids, const std::vector<int64_t>& offsets) {
    network->run(ids, offsets, Pooling::kMean, rows);
  };
  EXPECT_THROW(run({1, 50}, {0, 2}), std::invalid_argument);
  EXPECT_THROW(run({1, 2}, {0, 1}), std::invalid_argument);
  EXPECT_THROW(run({}, {0, 0}), std::invalid_argument);
  EXPECT_THROW(run(std::vector<int32_t>(21, 1), {0, 21}), std::invalid_argument);
  BertConfig odd = kSmall;
  odd.num_attention_heads = 5;
  EXPECT_THROW(TextNetwork::load_random(odd, 0), std::invalid_argument);
  BertConfig huge = kSmall;
  huge.vocab_size = (1 << 24) + 1;
  EXPECT_THROW(TextNetwork::load_random(huge, 0), std::invalid_argument);
}

/// The parameters of `module` as a state dict that keeps them.
StateDict state_of(const torch::nn::Module& module) {
  StateDict weights("test.safetensors");
  const auto add = [&](const std::string& name, const torch::Tensor& tensor) {
    const DType dtype = tensor.scalar_type() == torch::kInt64 ? DType::I64 : DType::F32;
    weights.keep(std::make_shared<torch::Tensor>(tensor));
    weights.add(name, {dtype, tensor.sizes().vec(), static_cast<const std::byte*>(tensor.const_data_ptr())});
  };
  for (const auto& item : module.named_parameters()) add(item.key(), item.value());
  for (const auto& item : module.named_buffers()) add(item.key(), item.value());
  return weights;
}

std::string failure_of(const StateDict& weights) {
  try {
    TextNetwork::load(kSmall, weights);
  } catch (const FormatError& error) {
    return error.what();
  }
  return "";
}

TEST(LoadParameters, NamesTheKeyAndTheShapes) {
  BertModule module(kSmall);
  randomize_parameters(module, kSeed);
  const StateDict whole = state_of(module);
  EXPECT_EQ(failure_of(whole), "");
  const std::string key = "encoder.layer.1.output.dense.weight";
  StateDict missing("test.safetensors"), misshapen("test.safetensors"), extra = whole;
  for (const auto& [name, tensor] : whole.tensors()) {
    TensorView changed = tensor;
    if (name == key) {
      changed.shape = {35, 70};
    } else {
      missing.add(name, tensor);
    }
    misshapen.add(name, changed);
  }
  EXPECT_NE(failure_of(missing).find(key), std::string::npos) << failure_of(missing);
  EXPECT_NE(failure_of(misshapen).find("'" + key + "': expected shape (36, 70), got (35, 70)"), std::string::npos)
      << failure_of(misshapen);
  extra.add("classifier.weight", whole.at(key));
  EXPECT_NE(failure_of(extra).find("classifier.weight"), std::string::npos) << failure_of(extra);
  StateDict tolerated = whole;
  tolerated.add("embeddings.position_ids", whole.at(key));
  EXPECT_EQ(failure_of(tolerated), "");
}

}  // namespace
}  // namespace pictrieve
