// A fused graph of pictures as oneDNN primitives for one picture size, run by one thread.
#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "pictrieve/nn/graph.h"

namespace pictrieve {

/// Weights in the layouts that primitives want, each packed once for all workers and picture sizes.
class PackedWeights {
 public:
  /// `plain` describes the weight as it is.
  dnnl::memory get(const Weight& weight, const dnnl::memory::desc& plain, const dnnl::memory::desc& wanted);

 private:
  std::mutex mutex_;
  std::unordered_map<const float*, std::vector<dnnl::memory>> packed_;
};

class ImagePlan {
 public:
  /// Plans the outputs of `graph` for one picture (3, height, width). Create and run it with an OpenMP budget of one.
  ImagePlan(const Graph& graph, PackedWeights& weights, int height, int width);

  /// Shape (channels, height, width) of an output.
  std::array<int64_t, 3> shape(const std::string& output) const;
  /// `pixels` (3, height, width); each output is written as plain (channels, height, width).
  void run(const float* pixels, const std::vector<std::pair<std::string, float*>>& outputs);

 private:
  friend class ImagePlanBuilder;
  struct Step {
    dnnl::primitive primitive;
    std::unordered_map<int, dnnl::memory> arguments;
  };

  dnnl::stream stream_;
  std::vector<Step> steps_;
  dnnl::memory input_;
  std::unordered_map<std::string, dnnl::memory> outputs_;  ///< written by the last steps
  std::shared_ptr<float[]> arena_;
};

}  // namespace pictrieve
