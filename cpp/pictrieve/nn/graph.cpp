#include "pictrieve/nn/graph.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

namespace pictrieve {

PaddedAxis padded_axis(int64_t size, int64_t kernel, int64_t stride, Padding padding) {
  if (padding == Padding::Valid) return {0, 0, (size - kernel) / stride + 1};
  const int64_t out = (size + stride - 1) / stride;
  const int64_t total = std::max<int64_t>((out - 1) * stride + kernel - size, 0);
  return {total / 2, total - total / 2, out};
}

int64_t Weight::count() const { return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>()); }

Weight owned_weight(std::vector<float> values, std::vector<int64_t> shape) {
  auto owner = std::make_shared<const std::vector<float>>(std::move(values));
  return {owner->data(), std::move(shape), owner};
}

std::vector<int> Graph::use_counts() const {
  std::vector<int> counts(nodes.size(), 0);
  for (const Node& node : nodes)
    for (const int input : node.inputs) ++counts[input];
  for (const auto& [name, node] : outputs) ++counts[node];
  return counts;
}

}  // namespace pictrieve
