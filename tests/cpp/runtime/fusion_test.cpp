#include "pictrieve/runtime/fusion.h"

#include <gtest/gtest.h>

#include <cmath>

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
  const Graph between = graph_between(graph, "middle", "b");
  ASSERT_EQ(between.nodes.size(), 2u);
  EXPECT_EQ(between.nodes[0].name, "middle");
}

}  // namespace
}  // namespace pictrieve
