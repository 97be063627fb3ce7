#include "pictrieve/nn/graph.h"

#include <functional>
#include <numeric>
#include <utility>

namespace pictrieve {

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
