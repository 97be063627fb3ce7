// The same network executed by Torch and as a fused plan, on random weights.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <thread>
#include <vector>

#include "pictrieve/base/error.h"
#include "pictrieve/nn/parameters.h"
#include "pictrieve/nn/registry.h"
#include "pictrieve/nn/torch_ops.h"
#include "pictrieve/runtime/image_network.h"

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
  randomize_parameters(slots_of(*module), kSeed);
  module->eval();
  module->to(torch::kFloat64);  // random weights amplify rounding: the reference must be better than float32
  const auto network = ImageNetwork::load_random("efficientnet_lite0", {}, kSeed);
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
  const auto network = ImageNetwork::load_random("efficientnet_lite0", {}, kSeed);
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

TEST(ImageNetwork, EachOutputIsTheSameWithoutTheOthers) {
  const auto network = ImageNetwork::load_random("efficientnet_lite0", {}, kSeed);
  const torch::Tensor pixels = torch::rand({2, 3, 70, 41});
  const auto* data = pixels.const_data_ptr<float>();
  const FeatureMapShape shape = network->feature_map_shape(70, 41);
  EXPECT_EQ(shape.height, 3);
  EXPECT_EQ(shape.width, 2);
  Matrix<float> features(2, network->dim()), logits(2, network->classes()), map(2, shape.size());
  network->run(data, 2, 70, 41, {features, logits, map.data()});
  Matrix<float> features_alone(2, network->dim()), logits_alone(2, network->classes()), map_alone(2, shape.size());
  network->run(data, 2, 70, 41, {.features = features_alone});
  network->run(data, 2, 70, 41, {.logits = logits_alone});
  network->run(data, 2, 70, 41, {.feature_map = map_alone.data()});
  const auto same = [](const Matrix<float>& a, const Matrix<float>& b) {
    return std::equal(a.data(), a.data() + a.view().size(), b.data());
  };
  EXPECT_TRUE(same(features, features_alone));
  EXPECT_TRUE(same(logits, logits_alone));
  EXPECT_TRUE(same(map, map_alone));
}

TEST(ImageNetwork, SaysWhatIsWrong) {
  EXPECT_THROW(ImageNetwork::load_random("resnet9000", {}, 0), std::invalid_argument);
  EXPECT_THROW(ImageNetwork::load("efficientnet_lite0", {}, StateDict("empty")), FormatError);
  const auto network = ImageNetwork::load_random("efficientnet_lite0", {}, kSeed);
  Matrix<float> features(1, 7);
  const std::vector<float> pixels(3);
  EXPECT_THROW(network->run(pixels.data(), 1, 1, 1, {.features = features}), std::invalid_argument);
}

}  // namespace
}  // namespace pictrieve
