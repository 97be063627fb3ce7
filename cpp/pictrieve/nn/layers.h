// Parameters of one operation as torch modules. They come uninitialised: networks are filled by load_parameters or
// randomize_parameters, so that serving never pays for random numbers it throws away.
#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

namespace pictrieve {

/// A weight and perhaps a bias: convolution, linear layer, embedding table or layer norm, by the operation that reads
/// it.
class Layer : public torch::nn::Module {
 public:
  Layer(torch::IntArrayRef weight_shape, bool with_bias);

  torch::Tensor weight;
  torch::Tensor bias;  ///< (weight_shape[0]), undefined without
};

/// Batch normalisation over channels, with its running statistics.
class BatchNorm : public torch::nn::Module {
 public:
  BatchNorm(int64_t channels, double epsilon, double momentum);

  torch::Tensor weight, bias, running_mean, running_var;
  double epsilon;
  double momentum;  ///< weight of the newest batch in the running statistics
};

}  // namespace pictrieve
