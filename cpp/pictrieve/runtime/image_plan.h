// A fused graph of pictures as steps for one picture size, run by one thread.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "pictrieve/nn/graph.h"
#include "pictrieve/runtime/gemm.h"
#include "pictrieve/runtime/value_shapes.h"

namespace pictrieve {

/// Weights in the layouts that steps want, each packed once for all workers and picture sizes.
class PackedWeights {
 public:
  /// Packs the linear layers of a graph, in parallel, so that no picture waits for it.
  void add_matrices(const Graph& graph);
  /// For a convolution; `plain` describes the weight as it is.
  dnnl::memory get(const Weight& weight, const dnnl::memory::desc& plain, const dnnl::memory::desc& wanted);
  /// For a linear layer.
  PackedMatrix matrix(const Weight& weight, const Weight& bias);

 private:
  std::mutex mutex_;
  std::unordered_map<const float*, std::vector<dnnl::memory>> packed_;
  std::map<std::pair<const float*, const float*>, PackedMatrix> matrices_;  ///< by weight and bias
};

class ImagePlan {
 public:
  /// Plans the outputs of `graph` for one picture (3, height, width). Create and run it with an OpenMP budget of one.
  ImagePlan(const Graph& graph, PackedWeights& weights, int height, int width);

  /// Shape of an output.
  Shape shape(const std::string& output) const { return shapes_.at(output); }
  /// `pixels` (3, height, width); each output is written as plain (channels, height, width).
  void run(const float* pixels, const std::vector<std::pair<std::string, float*>>& outputs);

 private:
  friend class ImagePlanBuilder;
  /// A primitive of oneDNN, or work of ours.
  struct Step {
    dnnl::primitive primitive;
    std::unordered_map<int, dnnl::memory> arguments;
    std::function<void()> work;
  };

  dnnl::stream stream_;
  std::vector<Step> steps_;
  dnnl::memory input_;
  std::unordered_map<std::string, dnnl::memory> outputs_;  ///< written by the last steps
  std::unordered_map<std::string, Shape> shapes_;
  std::shared_ptr<float[]> arena_;
  std::vector<Weight> kept_;  ///< constants that steps read where they are
};

}  // namespace pictrieve
