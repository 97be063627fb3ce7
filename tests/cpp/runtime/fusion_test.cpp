#include "pictrieve/runtime/fusion.h"

#include <gtest/gtest.h>

#include <tuple>
#include <utility>

namespace pictrieve {
namespace {

Node node(OpKind kind, std::vector<int> inputs, std::vector<Weight> weights = {}) {
  Node made;
  made.kind = kind;
  made.inputs = std::move(inputs);
  made.weights = std::move(weights);
  return made;
}

Node conv(int input) { return node(OpKind::Conv2d, {input}, {owned_weight({2, 4}, {2, 1, 1, 1}), Weight{}}); }

Node activate(int input, Activation activation) {
  Node made = node(OpKind::Activate, {input});
  made.activation = activation;
  return made;
}

TEST(Fusion, FoldsBatchNormIntoTheConvolution) {
  Graph graph;
  Node norm = node(
      OpKind::BatchNorm, {1},
      {owned_weight({1, 3}, {2}), owned_weight({5, 6}, {2}), owned_weight({7, 8}, {2}), owned_weight({3, 8}, {2})});
  norm.epsilon = 1;
  graph.nodes = {node(OpKind::Input, {}), conv(0), norm, activate(2, Activation::Relu6)};
  graph.outputs["out"] = 3;
  const Graph fused = fuse_operations(graph);
  ASSERT_EQ(fused.nodes.size(), 2u);
  const Node& result = fused.nodes[fused.outputs.at("out")];
  EXPECT_EQ(result.activation, Activation::Relu6);
  EXPECT_FLOAT_EQ(result.weights[0].data[0], 2 * 1 / 2.0F);
  EXPECT_FLOAT_EQ(result.weights[0].data[1], 4 * 3 / 3.0F);
  EXPECT_FLOAT_EQ(result.weights[1].data[0], -7 / 2.0F + 5);
  EXPECT_FLOAT_EQ(result.weights[1].data[1], -8.0F + 6);
}

TEST(Fusion, AddsTheResidualInsideTheLaterOperation) {
  Graph graph;
  graph.nodes = {node(OpKind::Input, {}), conv(0), conv(0), node(OpKind::Add, {1, 2}), activate(3, Activation::Relu)};
  graph.outputs["out"] = 4;
  const Graph fused = fuse_operations(graph);
  ASSERT_EQ(fused.nodes.size(), 3u);
  EXPECT_EQ(fused.nodes[2].inputs, (std::vector<int>{0, 1}));
  EXPECT_EQ(fused.nodes[2].activation, Activation::Relu);
}

TEST(Fusion, KeepsValuesThatOthersRead) {
  Graph graph;
  graph.nodes = {node(OpKind::Input, {}), conv(0), activate(1, Activation::Relu), node(OpKind::Add, {2, 1})};
  graph.outputs["out"] = 3;
  EXPECT_EQ(fuse_operations(graph).nodes.size(), 4u);
  Graph doubled;
  doubled.nodes = {node(OpKind::Input, {}), conv(0), node(OpKind::Add, {1, 1})};
  doubled.outputs["out"] = 2;
  EXPECT_EQ(fuse_operations(doubled).nodes.size(), 3u);
}

TEST(Fusion, SelectsWhatAnOutputNeeds) {
  Graph graph;
  graph.nodes = {node(OpKind::Input, {}), conv(0), conv(1), conv(1)};
  graph.outputs = {{"a", 2}, {"b", 3}, {"middle", 1}};
  const Graph only = select_outputs(graph, {"b"});
  EXPECT_EQ(only.nodes.size(), 3u);
  EXPECT_EQ(only.outputs, (std::map<std::string, int>{{"b", 2}}));
}

TEST(Fusion, FoldsScalesIntoTheLinearLayer) {
  Graph graph;
  graph.nodes = {node(OpKind::Input, {}),
                 node(OpKind::Linear, {0}, {owned_weight({1, 2, 3, 4}, {2, 2}), owned_weight({5, 6}, {2})}),
                 node(OpKind::Scale, {1}, {owned_weight({10, 100}, {2})}), node(OpKind::Add, {0, 2})};
  graph.outputs["out"] = 3;
  const Graph fused = fuse_operations(graph);
  ASSERT_EQ(fused.nodes.size(), 2U);
  EXPECT_EQ(fused.nodes[1].inputs, (std::vector<int>{0, 0}));
  const auto& [weights, bias] = std::tie(fused.nodes[1].weights[0], fused.nodes[1].weights[1]);
  EXPECT_EQ(std::vector<float>(weights.data, weights.data + 4), (std::vector<float>{10, 20, 300, 400}));
  EXPECT_EQ(std::vector<float>(bias.data, bias.data + 2), (std::vector<float>{50, 600}));
}

TEST(Fusion, ABatchNormOfItsOwnFiltersEachChannel) {
  Graph graph;
  const Node norm = node(
      OpKind::BatchNorm, {1},
      {owned_weight({1, 3}, {2}), owned_weight({5, 6}, {2}), owned_weight({7, 8}, {2}), owned_weight({4, 9}, {2})});
  graph.nodes = {node(OpKind::Input, {}), node(OpKind::MaxPool, {0}), norm, activate(2, Activation::Relu)};
  graph.outputs["out"] = 3;
  const Graph fused = fuse_operations(graph);
  ASSERT_EQ(fused.nodes.size(), 3U);
  const Node& filter = fused.nodes[2];
  EXPECT_EQ(filter.kind, OpKind::Conv2d);
  EXPECT_EQ(filter.conv.groups, 2);
  EXPECT_EQ(filter.activation, Activation::Relu);
  EXPECT_FLOAT_EQ(filter.weights[0].data[0], 0.5F);
  EXPECT_FLOAT_EQ(filter.weights[1].data[0], -3.5F + 5);
  EXPECT_FLOAT_EQ(filter.weights[0].data[1], 1.0F);
  EXPECT_FLOAT_EQ(filter.weights[1].data[1], -8.0F + 6);
}

Node third(int input, int begin) {
  Node made = node(OpKind::Columns, {input});
  made.begin = begin;
  made.count = 1;
  return made;
}

TEST(Fusion, ReadsQueriesKeysAndValuesWhereTheyAre) {
  Graph graph;
  const Node product = node(OpKind::Linear, {0}, {owned_weight({1, 2, 3}, {3, 1}), Weight{}});
  const Node attention = node(OpKind::Attention, {2, 3, 4}, {Weight{}});
  graph.nodes = {node(OpKind::Input, {}), product, third(1, 0), third(1, 1), third(1, 2), attention};
  graph.outputs["out"] = 5;
  const Graph merged = merge_attention_inputs(graph);
  ASSERT_EQ(merged.nodes.size(), 3U);
  EXPECT_EQ(merged.nodes[2].inputs, (std::vector<int>{1}));
  std::swap(graph.nodes[3], graph.nodes[4]);  // values before keys
  EXPECT_EQ(merge_attention_inputs(graph).nodes.size(), 6U);
}

TEST(Fusion, MergesThreeProductsOfWhichSomeHaveABias) {
  Graph graph;
  const auto product = [](float weight, Weight bias) {
    return node(OpKind::Linear, {0}, {owned_weight({weight}, {1, 1}), std::move(bias)});
  };
  const Node attention = node(OpKind::Attention, {1, 2, 3}, {Weight{}});
  graph.nodes = {node(OpKind::Input, {}), product(1, owned_weight({7}, {1})), product(2, {}),
                 product(3, owned_weight({9}, {1})), attention};
  graph.outputs["out"] = 4;
  const Graph merged = merge_attention_inputs(graph);
  ASSERT_EQ(merged.nodes.size(), 3U);
  const auto& [weights, bias] = std::tie(merged.nodes[1].weights[0], merged.nodes[1].weights[1]);
  EXPECT_EQ(std::vector<float>(weights.data, weights.data + 3), (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(std::vector<float>(bias.data, bias.data + 3), (std::vector<float>{7, 0, 9}));
}

}  // namespace
}  // namespace pictrieve
