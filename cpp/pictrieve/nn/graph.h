// A recorded network: plain data without Torch types, from which the runtime builds its plans.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace pictrieve {

/// Non-linearity. Gelu is the exact one, x * (1 + erf(x / sqrt(2))) / 2.
enum class Activation { None, Relu, Relu6, Gelu };

/// Zeros around a picture. Same is TensorFlow's: per axis total = max((ceil(n / stride) - 1) * stride + kernel - n, 0),
/// of which total / 2 (rounded down) come before. Valid adds none.
enum class Padding { Same, Valid };

struct ConvOptions {
  int stride = 1;
  int groups = 1;
  Padding padding = Padding::Same;
};

/// Zeros before and after one axis of `size` pixels.
struct PaddedAxis {
  int64_t before = 0;
  int64_t after = 0;
  int64_t out = 0;  ///< pixels that come out
};
PaddedAxis padded_axis(int64_t size, int64_t kernel, int64_t stride, Padding padding);

/// Borrowed float32 parameter; the owner keeps its memory.
struct Weight {
  const float* data = nullptr;
  std::vector<int64_t> shape;
  std::shared_ptr<const void> owner;

  int64_t count() const;
  explicit operator bool() const { return data != nullptr; }
};

/// Numbers of its own, for passes that compute new weights.
Weight owned_weight(std::vector<float> values, std::vector<int64_t> shape);

/// The operations that networks are written in. Weights of each, in order:
/// Conv2d: kernel (out, in / groups, kh, kw), bias or none. Linear: (out, in), bias or none.
/// BatchNorm: scale, shift, mean, variance. LayerNorm: scale, shift. Embedding: table (entries, dim).
/// Attention takes queries, keys and values (tokens, dim). Activate applies Node::activation.
enum class OpKind { Input, Conv2d, BatchNorm, Activate, Add, GlobalPool, Linear, LayerNorm, Embedding, Attention };

struct Node {
  OpKind kind = OpKind::Input;
  std::vector<int> inputs;  ///< nodes whose values this one reads, all earlier in the graph
  std::vector<Weight> weights;
  std::string name;                          ///< of an Input
  ConvOptions conv;                          ///< of a Conv2d
  Activation activation = Activation::None;  ///< applied last; recorded by Activate only, set on others by fusion
  double epsilon = 0;                        ///< of a norm
  int heads = 0;                             ///< of an Attention
};

/// Nodes in an order in which they can be computed.
struct Graph {
  std::vector<Node> nodes;
  std::map<std::string, int> outputs;  ///< node by the name of what it computes

  std::vector<int> use_counts() const;  ///< how many nodes and outputs read each node
};

}  // namespace pictrieve
