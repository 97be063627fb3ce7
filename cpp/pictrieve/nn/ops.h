// The vocabulary that every network's forward is written in, once, for training and for serving.
#pragma once

#include <torch/types.h>

#include <functional>
#include <utility>
#include <vector>

#include "pictrieve/nn/layers.h"
#include "pictrieve/nn/operation.h"

namespace pictrieve {

/// What flows between operations: a tensor where they are executed, a node where they are recorded.
struct Value {
  torch::Tensor tensor;
  int node = -1;

  bool exists() const { return node >= 0 || tensor.defined(); }
};

/// Vectors (height * width, c) for the pixels of a picture, differentiable.
using GridFunction = std::function<torch::Tensor(int64_t height, int64_t width)>;

/// Executes (TorchOps) or records (Recorder) each operation; operation.h says what each does. Weights may be computed
/// from parameters (`weight.t()`, a sum of two): gradients flow through, recording stores the result.
class Ops {
 public:
  using Values = std::vector<Value>;
  virtual ~Ops() = default;

  Value conv2d(const Value& x, const Layer& layer, const ConvOptions& options);
  Value batch_norm(const Value& x, const BatchNorm& layer);
  Value max_pool(const Value& x, const PoolOptions& options);
  Value avg_pool(const Value& x, const PoolOptions& options);
  Value adaptive_avg_pool(const Value& x, int rows, int columns);
  Value global_pool(const Value& x);
  Value flatten(const Value& x);
  Value concat(const Values& pictures);
  Value upsample_like(const Value& x, const Value& like);
  Value pad_to_multiple(const Value& x, int multiple);
  Value crop_like(const Value& x, const Value& like);
  Value roll(const Value& x, const AttentionOptions& options);
  Value roll_back(const Value& x, const AttentionOptions& options);
  Value space_to_depth(const Value& x);
  Value add_grid(const Value& x, GridFunction grid);

  Value tokens(const Value& picture);
  Value picture(const Value& tokens, int first, const Value& like);
  Value constant(const torch::Tensor& rows);
  Value join(const Values& parts);
  Value token(const Value& x, int place);
  Value mean_tokens(const Value& x, int first);

  Value activate(const Value& x, Activation activation);
  Value add(const Value& a, const Value& b);
  Value multiply(const Value& a, const Value& b);
  Value scale(const Value& x, const torch::Tensor& factors);
  Value columns(const Value& x, int begin, int count);
  /// Zeroes a share `p` of the numbers while training; nothing in serving.
  virtual Value dropout(const Value& x, double p) = 0;
  /// Zeroes all of x for a share `p` of the pictures or texts while training (stochastic depth, arXiv:1603.09382).
  virtual Value drop_path(const Value& x, double p) = 0;

  /// The weight may also be (out, in, 1, 1).
  Value linear(const Value& x, const Layer& layer) { return linear(x, layer.weight, layer.bias); }
  Value linear(const Value& x, const torch::Tensor& weight, const torch::Tensor& bias);
  Value layer_norm(const Value& x, const Layer& layer, double epsilon);
  Value embedding(const Value& ids, const Layer& table);
  Value rotary(const Value& x, const Value& positions, int heads, double base);
  /// `bias` is the table of options.bias.
  Value attention(const Value& queries, const Value& keys, const Value& values, const AttentionOptions& options,
                  const torch::Tensor& bias = {});
  /// Queries, keys and values lie one after the other in each vector.
  Value attention(const Value& merged, int dim, const AttentionOptions& options, const torch::Tensor& bias = {});
  Value attention_pool(const Value& query, const Value& keys, const Value& values, int heads);

 protected:
  virtual Value apply(const Operation& operation, const Values& inputs, const std::vector<torch::Tensor>& weights) = 0;
  virtual Value apply_grid(const Value& x, GridFunction grid) = 0;
  virtual Value apply_batch_norm(const Value& x, const BatchNorm& layer) = 0;
};

}  // namespace pictrieve
