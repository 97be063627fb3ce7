// Turns a graph into the steps of an ImagePlan and lays out their memory.
#pragma once

#include <functional>
#include <vector>

#include "pictrieve/runtime/image_plan.h"
#include "pictrieve/runtime/picture_memory.h"

namespace pictrieve {

class ImagePlanBuilder {
 public:
  ImagePlanBuilder(const Graph& graph, PackedWeights& weights, ImagePlan& plan);
  void build(int height, int width);

 private:
  using Desc = dnnl::memory::desc;

  /// Memory that steps share; values with disjoint lifetimes share its bytes.
  struct Buffer {
    size_t bytes = 0;
    int first = 0;  ///< steps that touch it
    int last = 0;
    size_t offset = 0;
    std::vector<dnnl::memory> memories;
  };
  /// A value in one layout. Without a buffer it is memory of others: the pixels, a constant.
  struct Tensor {
    dnnl::memory memory;
    int buffer = -1;
  };

  Tensor make(int index);
  Tensor pixels(int index);
  Tensor constant(int index);
  void write_outputs();
  void place_buffers();

  Tensor new_tensor(const Desc& desc);
  Tensor new_scratch(int64_t count);
  Tensor copy_as(const Tensor& tensor, const Desc& desc);
  /// The same bytes (or some of them) seen in another shape.
  Tensor view(const Tensor& tensor, const Desc& desc);
  /// A node's value in this layout, converted where it has not been yet.
  Tensor as(int node, const Desc& desc);
  /// A node's value as rows, perhaps part of wider ones; or without gaps.
  Tensor rows(int node);
  Tensor dense_rows(int node);
  bool is_rows(int node) const { return row_stride(values_[node].front().memory.get_desc()) > 0; }
  const Tensor& input(int index, size_t place = 0) const { return values_[graph_.nodes[index].inputs[place]].front(); }
  /// Whether `reader` may write its result over the node's value: nobody reads that any more.
  bool may_overwrite(int node, int reader) const;

  void step(dnnl::primitive primitive, std::unordered_map<int, dnnl::memory> arguments,
            const std::vector<int>& buffers);
  void work(std::function<void()> function, const std::vector<Tensor>& tensors);

  // Primitives of oneDNN, in picture_steps.cpp.
  Tensor convolution(int index);
  Tensor pool(int index);
  Tensor concat(int index);
  Tensor combine(int index);
  Tensor activation(int index);
  /// The residual in the layout `desc`, in memory that may be overwritten.
  Tensor accumulator(int node, const Desc& desc, int reader);

  // Work on rows, in row_steps.cpp.
  Tensor row_operation(int index);
  Tensor add_grid(int index);
  Tensor part_of_rows(int index);
  Tensor flatten(int index);
  Tensor move_rows(int index);
  Tensor mean_of_cells(int index);
  Tensor join(int index);
  Tensor execute_by_rows(const Node& node, const std::vector<Tensor>& inputs, const Shape& shape, const Tensor& result);
  /// Whether a row operation may write its result over this input of it.
  bool can_take(int index, size_t place, const Tensor& tensor) const;

  // In attention_steps.cpp: over tokens, in windows, and of one query.
  Tensor attention(int index);

  const Graph& graph_;
  PackedWeights& weights_;
  ImagePlan& plan_;
  std::vector<Shape> shapes_;
  std::vector<int> origin_;                  ///< by node: the first node whose memory it may share
  std::vector<int> last_reader_;             ///< by origin
  std::vector<std::vector<Tensor>> values_;  ///< by node: its value in each layout that was wanted
  std::vector<Buffer> buffers_;
};

}  // namespace pictrieve
