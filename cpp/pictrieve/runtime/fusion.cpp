#include "pictrieve/runtime/fusion.h"

#include <cmath>
#include <utility>
namespace pictrieve {
namespace {

/// w' = w * s, b' = (b - mean) * s + shift, with s = scale / sqrt(variance + epsilon), per output channel.
void fold_norm(Node& conv, const Node& norm) {
  const Weight &kernel = conv.weights[0], &bias = conv.weights[1];
  const int64_t outputs = kernel.shape[0], size = kernel.count() / outputs;
  std::vector<float> folded(static_cast<size_t>(kernel.count())), shift(static_cast<size_t>(outputs));
  for (int64_t c = 0; c < outputs; ++c) {
    const double factor = norm.weights[0].data[c] / std::sqrt(double{norm.weights[3].data[c]} + norm.epsilon);
    const double before = (bias ? double{bias.data[c]} : 0.0) - norm.weights[2].data[c];
    shift[c] = static_cast<float>(before * factor + norm.weights[1].data[c]);
    for (int64_t i = 0; i < size; ++i) folded[c * size + i] = static_cast<float>(kernel.data[c * size + i] * factor);
  }
  conv.weights = {owned_weight(std::move(folded), kernel.shape), owned_weight(std::move(shift), {outputs})};
}

bool can_add(const Node& node) {
  const bool kind = node.kind == OpKind::Conv2d || node.kind == OpKind::Linear || node.kind == OpKind::Embedding;
  return kind && node.inputs.size() == 1 && node.activation == Activation::None;
}

bool can_activate(const Node& node) {
  const bool kind = node.kind == OpKind::Conv2d || node.kind == OpKind::Linear || node.kind == OpKind::Add;
  return kind && node.activation == Activation::None;
}

/// Copies a graph node by node; a node may be absorbed into one that is already copied.
class Rewriter {
 public:
  explicit Rewriter(const Graph& graph) : graph_(graph), uses_(graph.use_counts()), copied_(graph.nodes.size(), -1) {}

  Graph fuse() {
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      const Node& node = graph_.nodes[i];
      const int absorbed = absorb(node);
      copied_[i] = absorbed >= 0 ? absorbed : append(node);
    }
    return finish();
  }

  Graph merge_attention() {
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      Node node = graph_.nodes[i];
      if (node.kind == OpKind::Attention && reads_one_value(node)) {
        const int merged = merged_linear(node);
        node.inputs = {merged};
        result_.nodes.push_back(std::move(node));
        copied_[i] = static_cast<int>(result_.nodes.size()) - 1;
      } else {
        copied_[i] = append(std::move(node));
      }
    }
    return finish();
  }

 private:
  int append(Node node) {
    for (int& input : node.inputs) input = copied_[input];
    result_.nodes.push_back(std::move(node));
    return static_cast<int>(result_.nodes.size()) - 1;
  }

  Graph finish() {
    for (const auto& [name, node] : graph_.outputs) result_.outputs[name] = copied_[node];
    return std::move(result_);
  }

  bool only_use(int original) const { return uses_[original] == 1; }

  /// The copied node that now also does this node's work, or -1.
  int absorb(const Node& node) {
    if (node.kind == OpKind::Add) return absorb_add(node);
    if (node.inputs.size() != 1 || !only_use(node.inputs[0])) return -1;
    const int before = copied_[node.inputs[0]];
    Node& target = result_.nodes[before];
    if (node.kind == OpKind::BatchNorm && target.kind == OpKind::Conv2d && can_add(target)) {
      fold_norm(target, node);
      return before;
    }
    if (node.kind == OpKind::Activate && can_activate(target)) {
      target.activation = node.activation;
      return before;
    }
    return -1;
  }

  /// Only the later summand can add the other: everything it reads must come before it.
  int absorb_add(const Node& node) {
    const bool first_is_later = copied_[node.inputs[0]] > copied_[node.inputs[1]];
    const int later = node.inputs[first_is_later ? 0 : 1], other = node.inputs[first_is_later ? 1 : 0];
    const int target = copied_[later];
    if (later == other || !only_use(later) || !can_add(result_.nodes[target])) return -1;
    result_.nodes[target].inputs.push_back(copied_[other]);
    return target;
  }

  bool reads_one_value(const Node& attention) const {
    for (const int input : attention.inputs) {
      const Node& linear = graph_.nodes[input];
      const bool plain = linear.kind == OpKind::Linear && can_add(linear) && only_use(input) && linear.weights[1];
      if (!plain || linear.inputs[0] != graph_.nodes[attention.inputs[0]].inputs[0]) return false;
    }
    return attention.inputs.size() == 3;
  }

  int merged_linear(const Node& attention) {
    Node merged;
    merged.kind = OpKind::Linear;
    merged.inputs = {copied_[graph_.nodes[attention.inputs[0]].inputs[0]]};
    std::vector<float> weights, biases;
    for (const int input : attention.inputs) {
      const Node& linear = graph_.nodes[input];
      weights.insert(weights.end(), linear.weights[0].data, linear.weights[0].data + linear.weights[0].count());
      biases.insert(biases.end(), linear.weights[1].data, linear.weights[1].data + linear.weights[1].count());
    }
    const int64_t outputs = static_cast<int64_t>(biases.size()), width = static_cast<int64_t>(weights.size()) / outputs;
    merged.weights = {owned_weight(std::move(weights), {outputs, width}), owned_weight(std::move(biases), {outputs})};
    result_.nodes.push_back(std::move(merged));
    return static_cast<int>(result_.nodes.size()) - 1;
  }

  const Graph& graph_;
  std::vector<int> uses_;
  std::vector<int> copied_;
  Graph result_;
};

std::vector<std::string> output_names(const Graph& graph) {
  std::vector<std::string> names;
  for (const auto& [name, node] : graph.outputs) names.push_back(name);
  return names;
}

}  // namespace

Graph fuse_operations(const Graph& graph) { return Rewriter(graph).fuse(); }

Graph merge_attention_inputs(const Graph& graph) {
  const Graph merged = Rewriter(graph).merge_attention();
  return select_outputs(merged, output_names(merged));  // without the three products that were merged
}

Graph select_outputs(const Graph& graph, const std::vector<std::string>& names) {
  std::vector<char> needed(graph.nodes.size(), 0);
  for (const std::string& name : names) needed[graph.outputs.at(name)] = 1;
  for (size_t i = graph.nodes.size(); i-- > 0;)
    if (needed[i])
      for (const int input : graph.nodes[i].inputs) needed[input] = 1;
  Graph result;
  std::vector<int> copied(graph.nodes.size(), -1);
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (!needed[i]) continue;
    result.nodes.push_back(graph.nodes[i]);
    for (int& input : result.nodes.back().inputs) input = copied[input];
    copied[i] = static_cast<int>(result.nodes.size()) - 1;
  }
  for (const std::string& name : names) result.outputs[name] = copied[graph.outputs.at(name)];
  return result;
}

Graph graph_between(const Graph& graph, const std::string& from, const std::string& to) {
  Graph cut = graph;
  Node input;
  input.name = from;
  cut.nodes[cut.outputs.at(from)] = std::move(input);
  return select_outputs(cut, {to});
}

}  // namespace pictrieve
