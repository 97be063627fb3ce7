// What a fused graph computes, against the same graph one operation at a time.
#include "pictrieve/runtime/image_plan.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <vector>

#include "pictrieve/runtime/fusion.h"

namespace pictrieve {
namespace {

constexpr int kSide = 20;
constexpr int kChannels = 64;

/// `count` numbers in [-0.5, 0.5) that repeat for no small shift.
std::vector<float> numbers(int64_t count, int seed) {
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) values.push_back(0.5F * static_cast<float>(std::sin(i * 1.7 + i * i + seed)));
  return values;
}

Node convolution(int input, int64_t out, int64_t in, int64_t kernel) {
  Node made;
  made.kind = OpKind::Conv2d;
  made.inputs = {input};
  made.conv.padding = Padding::like_tensorflow();
  made.weights = {owned_weight(numbers(out * in * kernel * kernel, input), {out, in, kernel, kernel}), Weight{}};
  return made;
}

std::vector<float> run(const Graph& graph) {
  omp_set_num_threads(1);
  PackedWeights weights;
  ImagePlan plan(graph, weights, kSide, kSide);
  std::vector<float> result(kChannels * kSide * kSide);
  plan.run(numbers(3 * kSide * kSide, 0).data(), {{"out", result.data()}});
  return result;
}

TEST(ImagePlan, AConvolutionMayBeAddedToItsOwnInput) {
  Graph graph;
  Node sum;
  sum.kind = OpKind::Add;
  sum.inputs = {2, 3};
  graph.nodes = {Node{}, convolution(0, 16, 3, 1), convolution(1, kChannels, 16, 3),
                 convolution(2, kChannels, kChannels, 3), sum};
  graph.outputs["out"] = 4;
  const Graph fused = fuse_operations(graph);
  ASSERT_EQ(fused.nodes.size(), 4U);
  const std::vector<float> expected = run(graph), found = run(fused);
  for (size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(found[i], expected[i], 1e-4) << i;
}

TEST(ImagePlan, LinearLayersArePackedBeforeAnyPlan) {
  Graph graph;
  for (int i = 0; i < 3; ++i) {
    Node layer;
    layer.kind = OpKind::Linear;
    layer.weights = {owned_weight(numbers(int64_t{5} * (i + 1), i), {5, i + 1}), Weight{}};
    graph.nodes.push_back(layer);
  }
  graph.nodes.push_back(graph.nodes[0]);  // two layers may share their numbers
  PackedWeights weights;
  weights.add_matrices(graph);
  for (const Node& node : graph.nodes) {
    const Weight& weight = node.weights[0];
    auto* data = const_cast<float*>(weight.data);
    const float before = data[0];
    data[0] = 100;  // what is packed only now would show it
    const PackedMatrix packed = weights.matrix(weight, node.weights[1]);
    data[0] = before;
    EXPECT_EQ(packed.outputs, 5);
    EXPECT_EQ(packed.inputs, weight.shape[1]);
    EXPECT_EQ(packed.panels[0], before);
  }
}

}  // namespace
}  // namespace pictrieve
