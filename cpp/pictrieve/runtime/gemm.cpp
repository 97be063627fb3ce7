#include "pictrieve/runtime/gemm.h"

#include <algorithm>
#include <vector>

#include "pictrieve/base/matrix.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "pictrieve/runtime/gemm.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "pictrieve/runtime/activation-inl.h"
#include "pictrieve/runtime/gemm_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace pictrieve::HWY_NAMESPACE {

// A slice of a panel (384 x 32 floats) streams from the second-level cache while a block of rows stays in it. Each
// block reads all weights from memory.
constexpr int64_t kSlice = 384;
constexpr int64_t kRowBlock = 256;

PackedMatrix pack_matrix(const float* weights, const float* bias, int64_t outputs, int64_t inputs) {
  const int64_t cols = tile_cols(), panels = (outputs + cols - 1) / cols;
  PackedMatrix packed{outputs, inputs, aligned_array<float>(panels * cols * inputs),
                      aligned_array<float>(panels * cols)};
  for (int64_t n = 0; n < panels * cols; ++n) packed.bias[n] = bias && n < outputs ? bias[n] : 0.0F;
  for (int64_t p = 0; p < panels; ++p) {
    float* panel = packed.panels.get() + p * cols * inputs;
    // Square pieces: whole cache lines of both sides.
    for (int64_t k0 = 0; k0 < inputs; k0 += 16) {
      for (int64_t n = 0; n < cols; ++n) {
        const bool real = p * cols + n < outputs;
        const float* row = real ? weights + (p * cols + n) * inputs : nullptr;
        for (int64_t k = k0; k < std::min(k0 + 16, inputs); ++k) panel[k * cols + n] = real ? row[k] : 0.0F;
      }
    }
  }
  return packed;
}

/// Rows of x, `stride` numbers apart.
struct Rows {
  const float* data;
  int64_t stride;
  int64_t count;
};

/// The last panel, where it has fewer columns than a tile.
void multiply_partial(const Rows& x, const PackedMatrix& matrix, const LinearOptions& options, float* y) {
  const int64_t cols = tile_cols(), first = matrix.outputs / cols * cols, valid = matrix.outputs - first;
  const float* panel = matrix.panels.get() + first * matrix.inputs;
  const std::shared_ptr<float[]> tile = aligned_array<float>(x.count * cols);
  multiply_panel(x.data, x.stride, panel, matrix.inputs, x.count, {false, matrix.bias.get() + first, nullptr},
                 tile.get(), cols);
  for (int64_t i = 0; i < x.count; ++i) {
    float* out = y + i * matrix.outputs + first;
    for (int64_t n = 0; n < valid; ++n) {
      out[n] = tile[i * cols + n] + (options.residual ? options.residual[i * matrix.outputs + first + n] : 0.0F);
    }
    activate_values(out, valid, options.activation);
  }
}

void multiply_block(const Rows& x, const PackedMatrix& matrix, const LinearOptions& options, float* y) {
  const int64_t cols = tile_cols(), stride = matrix.outputs, inputs = matrix.inputs;
  for (int64_t n = 0; n + cols <= matrix.outputs; n += cols) {
    const float* panel = matrix.panels.get() + n * inputs;
    const float* residual = options.residual ? options.residual + n : nullptr;
    for (int64_t k = 0; k < inputs; k += kSlice) {
      multiply_panel(x.data + k, x.stride, panel + k * cols, std::min(kSlice, inputs - k), x.count,
                     {k > 0, matrix.bias.get() + n, residual}, y + n, stride);
    }
    if (options.activation != Activation::None)
      for (int64_t i = 0; i < x.count; ++i) activate_values(y + i * stride + n, cols, options.activation);
  }
  if (matrix.outputs % cols != 0) multiply_partial(x, matrix, options, y);
}

void multiply(const float* x, int64_t rows, const PackedMatrix& matrix, const LinearOptions& options, float* y) {
  const int64_t stride = options.stride == 0 ? matrix.inputs : options.stride;
  const int64_t blocks = (rows + kRowBlock - 1) / kRowBlock, even = blocks > 0 ? (rows + blocks - 1) / blocks : 0;
  const int64_t block = (even + kTileRows - 1) / kTileRows * kTileRows;
  for (int64_t i = 0; i < rows; i += block) {
    LinearOptions here = options;
    if (here.residual) here.residual += i * matrix.outputs;
    multiply_block({x + i * stride, stride, std::min(block, rows - i)}, matrix, here, y + i * matrix.outputs);
  }
}

}  // namespace pictrieve::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pictrieve {

HWY_EXPORT(pack_matrix);
HWY_EXPORT(multiply);

PackedMatrix pack_matrix(const float* weights, const float* bias, int64_t outputs, int64_t inputs) {
  return HWY_DYNAMIC_DISPATCH(pack_matrix)(weights, bias, outputs, inputs);
}

void multiply(const float* x, int64_t rows, const PackedMatrix& matrix, const LinearOptions& options, float* y) {
  HWY_DYNAMIC_DISPATCH(multiply)(x, rows, matrix, options, y);
}

}  // namespace pictrieve
#endif
