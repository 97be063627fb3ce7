// Turns a graph into the steps of an ImagePlan and lays out their memory.
#pragma once

#include <vector>

#include "pictrieve/runtime/image_plan.h"

namespace pictrieve {

const dnnl::engine& cpu_engine();

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
  /// A node's result.
  struct Tensor {
    dnnl::memory memory;
    int buffer = -1;
  };

  Tensor new_tensor(const Desc& desc);
  Tensor tensor_as(const Tensor& tensor, const Desc& desc);
  void step(dnnl::primitive primitive, std::unordered_map<int, dnnl::memory> arguments, std::vector<int> buffers);
  void add_node(int index);
  Tensor convolution(int index);
  Tensor sum(int index);
  Tensor activation(int index);
  Tensor pool(int index);
  /// The residual in the layout `desc`, in memory that may be overwritten.
  Tensor accumulator(int node, const Desc& desc, int reader);
  void write_outputs();
  void place_buffers();

  const Graph& graph_;
  PackedWeights& weights_;
  ImagePlan& plan_;
  std::vector<int> last_reader_;
  std::vector<Tensor> tensors_;
  std::vector<Buffer> buffers_;
};

}  // namespace pictrieve
