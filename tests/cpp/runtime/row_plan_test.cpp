// Every operation that text networks are made of, executed by Torch and as a plan over packed texts.
#include "pictrieve/runtime/row_plan.h"

#include <gtest/gtest.h>
#include <torch/utils.h>

#include "pictrieve/base/matrix.h"
#include "pictrieve/nn/parameters.h"
#include "pictrieve/runtime/fusion.h"
#include "texts.h"

namespace pictrieve {
namespace {

constexpr uint64_t kSeed = 5;

/// What one layer of tests is made of.
struct Parts {
  std::string name{};
  AttentionOptions attention{};
  bool merged = false;  ///< queries, keys and values from one product
  bool rotary = false;  ///< turned by their positions
  bool biased = true;   ///< norms have a shift, products a bias
};

constexpr int kWidth = 24;
constexpr int kBuckets = 8;

/// Every operation that text networks are made of.
class Tiny : public TextModule {
 public:
  explicit Tiny(const Parts& parts) : parts_(parts) {
    dim = hidden = kWidth;
    vocab_size = kVocabulary;
    max_tokens = 80;
    words_ = table("words", kVocabulary, kWidth);
    norm_ = layer_norm("norm", kWidth, parts.biased);
    merged_ = linear("merged", 3 * kWidth, kWidth, parts.biased);
    for (const char* name : {"query", "key", "value"}) split_.push_back(linear(name, kWidth, kWidth, parts.biased));
    mix_ = linear("mix", kWidth, kWidth, parts.biased);
    parameter("gain", gain_, {kWidth});
    widen_ = linear("widen", 2 * 40, kWidth, parts.biased);
    narrow_ = linear("narrow", kWidth, 40, parts.biased);
    distances_ = table("distances", kBuckets, parts.attention.heads);
  }

  Value forward(Ops& ops, const TextInputs& inputs) const override {
    Value x = ops.embedding(inputs.ids, *words_);
    for (int layer = 0; layer < 2; ++layer) {
      const Value normed = ops.layer_norm(x, *norm_, 1e-5);
      x = ops.add(x, ops.scale(ops.linear(attended(ops, normed, inputs.positions), *mix_), gain_));
      const Value wide = ops.linear(ops.layer_norm(x, *norm_, 1e-5), *widen_);
      const Value gated =
          ops.multiply(ops.activate(ops.columns(wide, 0, 40), Activation::GeluTanh), ops.columns(wide, 40, 40));
      x = ops.add(ops.linear(gated, *narrow_), x);
    }
    return ops.columns(ops.activate(x, Activation::Tanh), 0, kWidth);
  }

 private:
  Value attended(Ops& ops, const Value& x, const Value& positions) const {
    const Value merged = ops.linear(x, *merged_);
    Ops::Values parts;
    for (int i = 0; i < 3; ++i)
      parts.push_back(parts_.merged ? ops.columns(merged, i * kWidth, kWidth) : ops.linear(x, *split_[i]));
    for (int i = 0; i < 2 && parts_.rotary; ++i)
      parts[i] = ops.rotary(parts[i], positions, parts_.attention.heads, 100);
    const bool by_distance = parts_.attention.bias == RelativeBias::Buckets;
    return ops.attention(parts[0], parts[1], parts[2], parts_.attention,
                         by_distance ? distances_->weight : torch::Tensor());
  }

  Parts parts_;
  std::shared_ptr<Layer> words_, norm_, merged_, mix_, widen_, narrow_, distances_;
  std::vector<std::shared_ptr<Layer>> split_;
  torch::Tensor gain_;
};

class Plans : public testing::TestWithParam<Parts> {};

TEST_P(Plans, EqualTorchForTextsOfEveryLength) {
  const torch::NoGradGuard no_grad;
  const auto module = std::make_shared<Tiny>(GetParam());
  randomize_parameters(slots_of(*module), kSeed);
  torch::manual_seed(kSeed);  // also biases that are not zero, and scales that are not one
  for (const Block::Slot& slot : slots_of(*module)) slot.tensor->add_(torch::rand(slot.tensor->sizes()) * 0.4 - 0.2);
  const RowPlan plan(merge_attention_inputs(fuse_operations(record(*module))));
  module->to(torch::kFloat64);  // better than float32: these weights amplify rounding
  ASSERT_EQ(plan.width(), kWidth);
  std::vector<int64_t> lengths;
  for (int64_t length = 1; length <= 70; ++length) lengths.push_back(length);
  const Texts texts(lengths);
  std::vector<int32_t> positions, segments(texts.ids.size(), 0);
  for (const int64_t length : lengths)
    for (int32_t i = 0; i < length; ++i) positions.push_back(i);
  RowWorkspace workspace;
  Matrix<float> found(texts.tokens(), kWidth);
  for (int repeat = 0; repeat < 2; ++repeat) {  // the second run finds the first one's memory
    std::fill(found.data(), found.data() + texts.tokens() * kWidth, NAN);
    const RowBatch batch{{{"ids", nullptr, texts.ids.data()},
                          {"positions", nullptr, positions.data()},
                          {"segments", nullptr, segments.data()}},
                         texts.tokens(),
                         texts.offsets};
    plan.run(batch, workspace, found.data());
    for (int64_t i = 0; i < texts.count(); ++i) {
      const torch::Tensor expected = hidden_by_torch(*module, texts, i);
      EXPECT_LT(largest_difference(expected, found.row(texts.offsets[i])), 2e-5) << lengths[i] << " tokens";
    }
  }
}

const std::vector<Parts> kParts{
    {"plain", {.heads = 3}},
    {"no_bias", {.heads = 2}, false, false, false},
    {"merged", {.heads = 3}, true},
    {"rotary", {.heads = 3}, true, true},
    {"causal", {.heads = 3, .causal = true}, true, false, false},
    {"local_rotary", {.heads = 2, .reach = 5}, true, true, false},
    {"local_rotary_split", {.heads = 2, .reach = 5}, false, true},
    {"scaled_causal_local", {.heads = 3, .scale = 0.3, .causal = true, .reach = 17}, true},
    {"buckets", {.heads = 4, .bias = RelativeBias::Buckets}},
    {"all", {.heads = 4, .scale = 0.1, .causal = true, .reach = 9, .bias = RelativeBias::Buckets}, true, true}};

INSTANTIATE_TEST_SUITE_P(Options, Plans, testing::ValuesIn(kParts), [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace pictrieve
