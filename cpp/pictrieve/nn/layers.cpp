#include "pictrieve/nn/layers.h"

#include <torch/utils.h>

namespace pictrieve {

Layer::Layer(torch::IntArrayRef weight_shape, bool with_bias) {
  weight = register_parameter("weight", torch::empty(weight_shape));
  if (with_bias) bias = register_parameter("bias", torch::empty({weight_shape[0]}));
}

BatchNorm::BatchNorm(int64_t channels, double norm_epsilon, double norm_momentum)
    : epsilon(norm_epsilon), momentum(norm_momentum) {
  weight = register_parameter("weight", torch::empty({channels}));
  bias = register_parameter("bias", torch::empty({channels}));
  running_mean = register_buffer("running_mean", torch::empty({channels}));
  running_var = register_buffer("running_var", torch::empty({channels}));
  register_buffer("num_batches_tracked", torch::zeros({}, torch::kInt64));
}

}  // namespace pictrieve
