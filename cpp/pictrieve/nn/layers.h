// Parameters of one operation as torch modules. They come uninitialised: networks are filled by load_parameters,
// randomize_parameters or bind_tensors, so that serving never pays for random numbers it throws away.
#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace pictrieve {

class Layer;
class BatchNorm;

/// A part of a network that owns tensors and smaller parts, each under its name in the state dict.
class Block : public torch::nn::Module {
 public:
  struct Slot {
    std::string name;
    torch::Tensor* tensor = nullptr;  ///< the member that forward reads
    bool buffer = false;
  };
  const std::vector<Slot>& own_slots() const { return slots_; }

 protected:
  void parameter(const std::string& name, torch::Tensor& member, torch::IntArrayRef shape);
  void buffer(const std::string& name, torch::Tensor& member, const torch::Tensor& start);

  /// Registers a part. A dot in its name makes it a part of a part: "attention.self.query".
  template <class Part>
  std::shared_ptr<Part> part(const std::string& path, std::shared_ptr<Part> made) {
    const size_t dot = path.rfind('.');
    if (dot == std::string::npos) return register_module(path, std::move(made));
    return group(path.substr(0, dot))->register_module(path.substr(dot + 1), std::move(made));
  }
  template <class Part, class... Arguments>
  std::shared_ptr<Part> make(const std::string& path, Arguments&&... arguments) {
    return part(path, std::make_shared<Part>(std::forward<Arguments>(arguments)...));
  }
  std::shared_ptr<Layer> linear(const std::string& path, int64_t out, int64_t in, bool with_bias = true);
  std::shared_ptr<Layer> conv(const std::string& path, int64_t out, int64_t in, torch::IntArrayRef kernel,
                              bool with_bias = false);
  std::shared_ptr<Layer> conv(const std::string& path, int64_t out, int64_t in, int64_t kernel, bool with_bias = false);
  std::shared_ptr<Layer> layer_norm(const std::string& path, int64_t dim, bool with_bias = true);
  std::shared_ptr<Layer> table(const std::string& path, int64_t entries, int64_t dim);
  std::shared_ptr<BatchNorm> batch_norm(const std::string& path, int64_t channels, double epsilon = 1e-5,
                                        double momentum = 0.1);

 private:
  torch::nn::Module* group(const std::string& path);
  std::vector<Slot> slots_;
};

/// A weight and perhaps a bias: convolution, linear layer, embedding table or layer norm, by the operation that reads
/// it.
class Layer : public Block {
 public:
  Layer(torch::IntArrayRef weight_shape, bool with_bias);

  torch::Tensor weight;
  torch::Tensor bias;  ///< (weight_shape[0]), undefined without
};

/// Batch normalisation over channels, with its running statistics.
class BatchNorm : public Block {
 public:
  BatchNorm(int64_t channels, double epsilon, double momentum);

  torch::Tensor weight, bias, running_mean, running_var, num_batches_tracked;
  double epsilon;
  double momentum;  ///< weight of the newest batch in the running statistics
};

/// Every tensor of a network with its full name, parameters and buffers in the order of the state dict.
std::vector<Block::Slot> slots_of(torch::nn::Module& network);

}  // namespace pictrieve
