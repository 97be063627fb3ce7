// Names and layouts of parameters: ours, and those of other libraries for the same network.
#pragma once

#include <string>
#include <vector>

#include "pictrieve/nn/network_config.h"
#include "pictrieve/nn/state_dict.h"

namespace pictrieve {

/// "{}" in both stands for the same number or word without a dot. A rule without a full name is a prefix that ends at a
/// dot: {"blocks.{}.norm1", "encoder.layer.{}.layernorm_before"} renames the weight and the bias. `theirs` may hold
/// several names separated by '|', whose tensors are stacked along the first axis into ours; so may `ours`, which cuts
/// theirs ("q|kv*2": two of three equal shares are kv). `theirs` may end with a "'" where it is the transpose of ours,
/// with a "+" for each axis of length one that it has behind ours ("layer_scale++" (c, 1, 1) for our (c)), with a "-"
/// for each that ours has before it ("class_embedding--" (c) for our (1, 1, c)), or with "@7" where our matrix has in
/// each row what is a map (c, 7, 7) in theirs. Empty `ours`: a tensor we do not need.
struct KeyRule {
  std::string ours;
  std::string theirs;
};

/// One way of naming. `rules` come in order, the first that fits a name is taken; names that no rule fits stay.
struct Layout {
  std::string name;  ///< "transformers", "torchvision", ...
  std::string mark;  ///< a pattern of a name that only this layout has
  std::vector<KeyRule> (*rules)(const NetworkConfig& config);
};

/// The tensors of a file under our names; those that a rule stacks or transposes are copied, others stay borrowed.
/// FormatError where parts of a stack are missing or differ in type.
StateDict from_layout(const StateDict& weights, const std::vector<KeyRule>& rules);
/// Back: our tensors under their names. Tensors that `ours` left out are not there.
StateDict to_layout(const StateDict& weights, const std::vector<KeyRule>& rules);
/// The first layout whose mark a name of the file fits; null where the names are ours.
const Layout* layout_of(const StateDict& weights, const std::vector<Layout>& layouts);
/// Its rules; none where the names are ours.
std::vector<KeyRule> rules_for(const StateDict& weights, const std::vector<Layout>& layouts,
                               const NetworkConfig& settings);
/// Their name for one of ours, for messages.
std::string name_in_layout(const std::string& ours, const std::vector<KeyRule>& rules);

}  // namespace pictrieve
