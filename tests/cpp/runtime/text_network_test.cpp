// Text networks executed by Torch, one text at a time, and as plans over packed texts, on random weights.
#include "pictrieve/runtime/text_network.h"

#include <gtest/gtest.h>

#include <thread>

#include "pictrieve/base/error.h"
#include "pictrieve/nn/parameters.h"
#include "pictrieve/nn/registry.h"
#include "texts.h"

namespace pictrieve {
namespace {

constexpr uint64_t kSeed = 5;

const NetworkConfig kBert{{"vocab_size", kVocabulary}, {"hidden_size", 36},       {"num_hidden_layers", 3},
                          {"num_attention_heads", 3},  {"intermediate_size", 70}, {"max_position_embeddings", 30}};

NetworkConfig bert_like(const std::string& model_type) {
  NetworkConfig config = kBert;
  config.set("model_type", model_type);
  return config;
}

struct Architecture {
  std::string name;
  NetworkConfig config;
};

const std::vector<Architecture> kArchitectures{
    {"bert", kBert},
    {"roberta", bert_like("roberta")},
    {"electra",
     [] {
       NetworkConfig config = bert_like("electra");
       config.set("embedding_size", 20);
       return config;
     }()},
    {"mpnet", bert_like("mpnet")},
    {"distilbert",
     {{"model_type", "distilbert"},
      {"vocab_size", kVocabulary},
      {"dim", 36},
      {"n_layers", 2},
      {"n_heads", 3},
      {"hidden_dim", 70},
      {"max_position_embeddings", 30}}},
    {"gpt2", {{"vocab_size", kVocabulary}, {"n_positions", 30}, {"n_embd", 36}, {"n_layer", 2}, {"n_head", 3}}},
    {"modernbert",
     {{"vocab_size", kVocabulary},
      {"hidden_size", 36},
      {"intermediate_size", 40},
      {"num_hidden_layers", 4},
      {"num_attention_heads", 3},
      {"max_position_embeddings", 30},
      {"local_attention", 6}}},
    {"clip_text_model",
     {{"vocab_size", kVocabulary},
      {"hidden_size", 36},
      {"intermediate_size", 70},
      {"projection_dim", 20},
      {"num_hidden_layers", 2},
      {"num_attention_heads", 3},
      {"max_position_embeddings", 30}}},
    {"siglip_text_model",
     {{"vocab_size", kVocabulary},
      {"hidden_size", 36},
      {"intermediate_size", 70},
      {"projection_size", 20},
      {"num_hidden_layers", 2},
      {"num_attention_heads", 3},
      {"max_position_embeddings", 30}}}};

torch::Tensor pooled(const torch::Tensor& hidden, Pooling pooling) {
  const torch::Tensor places = torch::arange(1, hidden.size(0) + 1).unsqueeze(1);
  switch (pooling) {
    case Pooling::Mean:
      return hidden.mean(0);
    case Pooling::First:
      return hidden[0];
    case Pooling::Max:
      return hidden.amax(0);
    case Pooling::Last:
      return hidden[-1];
    case Pooling::WeightedMean:
      break;
  }
  return (hidden * places).sum(0) / places.sum();
}

class TextNetworks : public testing::TestWithParam<Architecture> {};

TEST_P(TextNetworks, EqualTorch) {
  const torch::NoGradGuard no_grad;
  const auto& [name, config] = GetParam();
  const auto module = make_text_module(name, config);
  randomize_parameters(slots_of(*module), kSeed);
  const auto network = TextNetwork::load_random(name, config, kSeed);
  ASSERT_EQ(network->dim(), module->dim);
  ASSERT_GE(network->max_tokens(), 28);
  EXPECT_NO_THROW(pooling_named(network->pooling()));
  const Texts texts({1, 20, 7, 7, 13, network->max_tokens()});
  Matrix<float> hidden(texts.tokens(), network->hidden_size()), rows(texts.count(), network->dim());
  network->hidden_states(texts.ids, texts.offsets, hidden);
  for (int64_t i = 0; i < texts.count(); ++i)
    EXPECT_LT(largest_difference(hidden_by_torch(*module, texts, i), hidden.row(texts.offsets[i])), 1e-5);
  for (const char* word : {"mean", "cls", "max", "last", "weighted_mean"}) {
    const Pooling pooling = pooling_named(word);
    network->run(texts.ids, texts.offsets, pooling, rows);
    for (int64_t i = 0; i < texts.count(); ++i) {
      TorchOps ops;
      const torch::Tensor one = pooled(hidden_by_torch(*module, texts, i), pooling).unsqueeze(0);
      EXPECT_LT(largest_difference(module->project(ops, {one}).tensor[0], rows.row(i)), 1e-5) << word;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, TextNetworks, testing::ValuesIn(kArchitectures),
                         [](const auto& test) { return test.param.name; });

TEST(TextNetwork, ThreadsRunAtOnce) {
  const auto network = TextNetwork::load_random("bert", kBert, kSeed);
  const std::vector<int32_t> ids{1, 9, 4, 2, 2, 7, 30, 41};
  const std::vector<int64_t> offsets{0, 3, 8};
  Matrix<float> expected(2, 36);
  network->run(ids, offsets, Pooling::Mean, expected);
  std::vector<std::thread> threads;
  for (int64_t text = 0; text < 2; ++text)
    threads.emplace_back([&, text] {
      const auto part = std::span(ids).subspan(offsets[text], offsets[text + 1] - offsets[text]);
      const std::vector<int64_t> bounds{0, static_cast<int64_t>(part.size())};
      Matrix<float> found(1, 36);
      for (int i = 0; i < 100; ++i) {
        network->run(part, bounds, Pooling::Mean, found);
        ASSERT_TRUE(std::equal(found.data(), found.data() + 36, expected.row(text))) << text << " at " << i;
      }
    });
  for (std::thread& thread : threads) thread.join();
}

TEST(TextNetwork, SaysWhatIsWrong) {
  const auto network = TextNetwork::load_random("bert", kBert, kSeed);
  Matrix<float> rows(1, 36);
  const auto run = [&](const std::vector<int32_t>& ids, const std::vector<int64_t>& offsets) {
    network->run(ids, offsets, Pooling::Mean, rows);
  };
  EXPECT_THROW(run({1, 50}, {0, 2}), std::invalid_argument);
  EXPECT_THROW(run({1, 2}, {0, 1}), std::invalid_argument);
  EXPECT_THROW(run({}, {0, 0}), std::invalid_argument);
  EXPECT_THROW(run(std::vector<int32_t>(31, 1), {0, 31}), std::invalid_argument);
  NetworkConfig odd = kBert;
  odd.set("num_attention_heads", 5);
  EXPECT_THROW(TextNetwork::load_random("bert", odd, 0), std::invalid_argument);
  NetworkConfig huge = kBert;
  huge.set("vocab_size", (1 << 24) + 1);
  EXPECT_THROW(TextNetwork::load_random("bert", huge, 0), std::invalid_argument);
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
    TextNetwork::load("bert", kBert, weights);
  } catch (const FormatError& error) {
    return error.what();
  }
  return "";
}

TEST(LoadParameters, NamesTheKeyAndTheShapes) {
  const auto module = make_text_module("bert", kBert);
  randomize_parameters(slots_of(*module), kSeed);
  const StateDict whole = state_of(*module);
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
