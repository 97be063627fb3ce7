// Linear layers on packed weights: y = activation(x W^T + bias + residual), one thread.
#pragma once

#include <cstdint>
#include <memory>

#include "pictrieve/nn/graph.h"

namespace pictrieve {

/// Weights (outputs, inputs) laid out in panels of as many columns as one tile has, and the bias, padded with zeros.
struct PackedMatrix {
  int64_t outputs = 0;
  int64_t inputs = 0;
  std::shared_ptr<float[]> panels;
  std::shared_ptr<float[]> bias;
};

/// Packs row-major weights (outputs, inputs) and a bias of `outputs` numbers, or nullptr.
PackedMatrix pack_matrix(const float* weights, const float* bias, int64_t outputs, int64_t inputs);

struct LinearOptions {
  const float* residual = nullptr;  ///< (rows, outputs), added before the activation; may be y itself
  Activation activation = Activation::None;
  int64_t stride = 0;  ///< between the rows of x, 0 where they lie without gaps
};

/// y (rows, outputs), not among x, from x (rows, inputs). A row's result is bitwise the same whatever the other rows.
void multiply(const float* x, int64_t rows, const PackedMatrix& matrix, const LinearOptions& options, float* y);

}  // namespace pictrieve
