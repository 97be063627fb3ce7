#include "pictrieve/runtime/fusion.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace pictrieve {
namespace {

/// What follows a product per output: y * factor + shift.
struct PerOutput {
  std::vector<double> factors;
  std::vector<double> shifts;
};

PerOutput per_output(const Node& node) {
  PerOutput result;
  for (int64_t c = 0; c < node.weights[0].count(); ++c) {
    if (node.kind == OpKind::Scale) {
      result.factors.push_back(node.weights[0].data[c]);
      result.shifts.push_back(0);
    } else {  // BatchNorm
      result.factors.push_back(node.weights[0].data[c] / std::sqrt(double{node.weights[3].data[c]} + node.epsilon));
      result.shifts.push_back(node.weights[1].data[c] - node.weights[2].data[c] * result.factors.back());
    }
  }
  return result;
}

/// w' = w * factor, b' = b * factor + shift.
void fold(Node& product, const PerOutput& after) {
  const Weight &kernel = product.weights[0], &bias = product.weights[1];
  const int64_t outputs = kernel.shape[0], size = kernel.count() / outputs;
  std::vector<float> folded(static_cast<size_t>(kernel.count())), shift(static_cast<size_t>(outputs));
  for (int64_t c = 0; c < outputs; ++c) {
    const double factor = after.factors[c];
    shift[c] = static_cast<float>((bias ? double{bias.data[c]} : 0.0) * factor + after.shifts[c]);
    for (int64_t i = 0; i < size; ++i) folded[c * size + i] = static_cast<float>(kernel.data[c * size + i] * factor);
  }
  product.weights = {owned_weight(std::move(folded), kernel.shape), owned_weight(std::move(shift), {outputs})};
}

/// A batch norm that follows no product: a convolution of each channel with one number.
Node channel_wise(const Node& norm) {
  const int64_t channels = norm.weights[0].count();
  Node conv;
  conv.kind = OpKind::Conv2d;
  conv.inputs = norm.inputs;
  conv.conv.groups = static_cast<int>(channels);
  const std::vector<float> ones(static_cast<size_t>(channels), 1.0F);
  conv.weights = {owned_weight(ones, {channels, 1, 1, 1}), Weight{}};
  fold(conv, per_output(norm));
  return conv;
}

bool can_fold(const Node& node) {
  const bool kind = node.kind == OpKind::Conv2d || node.kind == OpKind::Linear;
  return kind && node.inputs.size() == 1 && node.activation == Activation::None;
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
      copied_[i] = absorbed >= 0                    ? absorbed
                   : node.kind == OpKind::BatchNorm ? append(channel_wise(node))
                                                    : append(node);
    }
    return finish();
  }

  Graph merge_attention() {
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      Node node = graph_.nodes[i];
      const int merged = node.kind == OpKind::Attention ? merged_input(node) : -1;
      if (merged < 0) {
        copied_[i] = append(std::move(node));
        continue;
      }
      node.inputs = {merged};
      result_.nodes.push_back(std::move(node));
      copied_[i] = static_cast<int>(result_.nodes.size()) - 1;
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
    if ((node.kind == OpKind::BatchNorm || node.kind == OpKind::Scale) && can_fold(target)) {
      fold(target, per_output(node));
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

  /// The copied node that holds queries, keys and values one after the other, or -1.
  int merged_input(const Node& attention) {
    if (attention.inputs.size() != 3) return -1;
    if (reads_columns(attention)) return copied_[graph_.nodes[attention.inputs[0]].inputs[0]];
    return reads_products(attention) ? merged_linear(attention) : -1;
  }

  /// The three thirds of one value.
  bool reads_columns(const Node& attention) const {
    const Node& first = graph_.nodes[attention.inputs[0]];
    if (first.kind != OpKind::Columns) return false;
    const Node& whole = graph_.nodes[first.inputs[0]];
    if (whole.kind != OpKind::Linear || whole.weights[0].shape[0] != 3 * first.count) return false;
    for (int i = 0; i < 3; ++i) {
      const Node& part = graph_.nodes[attention.inputs[i]];
      const bool third = part.kind == OpKind::Columns && part.count == first.count && part.begin == i * first.count;
      if (!third || part.inputs[0] != first.inputs[0]) return false;
    }
    return true;
  }

  bool reads_products(const Node& attention) const {
    for (const int input : attention.inputs) {
      const Node& linear = graph_.nodes[input];
      const bool plain = linear.kind == OpKind::Linear && can_fold(linear) && only_use(input);
      if (!plain || linear.inputs[0] != graph_.nodes[attention.inputs[0]].inputs[0]) return false;
    }
    return true;
  }

  int merged_linear(const Node& attention) {
    Node merged;
    merged.kind = OpKind::Linear;
    merged.inputs = {copied_[graph_.nodes[attention.inputs[0]].inputs[0]]};
    std::vector<float> weights, biases;
    for (const int input : attention.inputs) {
      const Weight &weight = graph_.nodes[input].weights[0], &bias = graph_.nodes[input].weights[1];
      weights.insert(weights.end(), weight.data, weight.data + weight.count());
      biases.resize(biases.size() + static_cast<size_t>(weight.shape[0]), 0.0F);
      if (bias) std::copy(bias.data, bias.data + bias.count(), biases.end() - weight.shape[0]);
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

}  // namespace pictrieve
