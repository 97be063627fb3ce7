// A network whose tensors belong to the caller: each forward is given them, and gradients flow back to them.
#pragma once

#include <torch/types.h>

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "pictrieve/nn/registry.h"

namespace pictrieve::autograd {

using Tensors = std::vector<torch::Tensor>;
using NamedTensors = std::map<std::string, torch::Tensor>;

class Network {
 public:
  struct Slot {
    std::string name;
    std::vector<int64_t> shape;
    bool buffer;
    torch::ScalarType type;
  };

  Network(const std::string& kind, const std::string& architecture, const NetworkConfig& config);

  const std::vector<Slot>& slots() const { return slots_; }
  /// New tensors for all slots, or those of these names: seeded random ones.
  NamedTensors random_state(uint64_t seed, const std::optional<std::vector<std::string>>& names) const;
  /// New tensors for all slots: those of a file in any layout that the family knows.
  NamedTensors state_from_file(const std::string& path) const;
  /// A state dict of another layout under our names, and back. `layout` is a name, or the mark of one layout among
  /// those that share its name; empty: the layout that the names tell.
  NamedTensors from_layout(const NamedTensors& tensors, const std::string& layout) const;
  NamedTensors to_layout(const NamedTensors& tensors, const std::string& layout) const;
  /// The mark of a file's layout, empty where its names are ours.
  std::string layout_of_file(const std::string& path) const;

  /// `tensors` and `training` (a flag for each, read at batch norms) are in the order of slots().
  NamedTensors forward_image(const Tensors& tensors, const std::vector<bool>& training, bool dropout,
                             const torch::Tensor& pixels);
  torch::Tensor forward_text(const Tensors& tensors, bool dropout, const torch::Tensor& ids,
                             const std::optional<torch::Tensor>& mask, const std::optional<torch::Tensor>& segments);
  torch::Tensor project(const Tensors& tensors, const torch::Tensor& pooled);

  std::map<std::string, int> facts() const;
  std::string pooling() const;

 private:
  class Binding;
  Block& block() const;
  std::vector<Block::Slot> slots_in(NamedTensors& state) const;
  template <class Function>
  auto in_words(const Function& function) const;
  const std::vector<Layout>& layouts() const;
  void check_ids(const torch::Tensor& ids, const std::optional<torch::Tensor>& mask,
                 const std::optional<torch::Tensor>& segments) const;
  std::vector<KeyRule> rules(const NamedTensors& tensors, const std::string& layout) const;

  std::string architecture_, subject_;
  NetworkConfig settings_;
  std::shared_ptr<ImageModule> image_;
  std::shared_ptr<TextModule> text_;
  std::vector<Slot> slots_;
  std::vector<Block*> owners_;           ///< of each slot
  std::vector<torch::Tensor*> members_;  ///< of each slot: what forward reads
  std::mutex mutex_;                     ///< the module is bound to one set of tensors at a time
};

}  // namespace pictrieve::autograd
