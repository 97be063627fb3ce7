// The inner kernel of every matrix product here: a tile of C in registers, one outer product per step of k.
// Included once per instruction set by Highway's foreach_target.
#if defined(PICTRIEVE_RUNTIME_GEMM_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PICTRIEVE_RUNTIME_GEMM_TILE_INL_H_
#undef PICTRIEVE_RUNTIME_GEMM_TILE_INL_H_
#else
#define PICTRIEVE_RUNTIME_GEMM_TILE_INL_H_
#endif

#include <hwy/highway.h>

#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace pictrieve::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;

// Two vectors of columns by as many rows as leave registers for the operands: AVX-512 has 32 registers, AVX2 16.
#if HWY_TARGET <= HWY_AVX3
constexpr int kTileRows = 12;
#else
constexpr int kTileRows = 6;
#endif
constexpr int64_t kCacheLine = 16;  // floats
inline int64_t tile_cols() { return 2 * static_cast<int64_t>(hn::Lanes(FloatTag())); }

/// Where a tile's sums begin: at C itself (a later slice of k), else at bias (or zero) plus residual (or zero).
struct TileStart {
  bool accumulate = false;
  const float* bias = nullptr;      ///< tile_cols() numbers
  const float* residual = nullptr;  ///< like C, with C's stride
};

/// C (rows, tile_cols) = start + A (rows, k) B, where B (k, tile_cols) is one packed panel. A cache line from `ahead`
/// on is fetched with each step: weights come from memory, and the processor does not foresee the next panel. Each
/// element is summed in order of k whatever `kRows`, so a row's result does not depend on its neighbours.
template <int kRows>
HWY_INLINE void multiply_tile(const float* HWY_RESTRICT a, int64_t a_stride, const float* HWY_RESTRICT b, int64_t k,
                              const TileStart& start, float* c, int64_t c_stride, const float* ahead) {
  const FloatTag d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  hn::Vec<FloatTag> left[kRows] = {}, right[kRows] = {};
  const auto bias0 = start.bias ? hn::LoadU(d, start.bias) : hn::Zero(d);
  const auto bias1 = start.bias ? hn::LoadU(d, start.bias + lanes) : hn::Zero(d);
  const float* base = start.accumulate ? c : start.residual;
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
    left[i] = bias0;
    right[i] = bias1;
    if (base) {
      const auto base0 = hn::LoadU(d, base + i * c_stride), base1 = hn::LoadU(d, base + i * c_stride + lanes);
      left[i] = start.accumulate ? base0 : hn::Add(bias0, base0);
      right[i] = start.accumulate ? base1 : hn::Add(bias1, base1);
    }
  }
  for (int64_t step = 0; step < k; ++step) {
    const auto b0 = hn::Load(d, b + step * 2 * lanes), b1 = hn::Load(d, b + step * 2 * lanes + lanes);
    __builtin_prefetch(ahead + step * kCacheLine, 0, 2);  // into the second-level cache
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const auto value = hn::Set(d, a[i * a_stride + step]);
      left[i] = hn::MulAdd(value, b0, left[i]);
      right[i] = hn::MulAdd(value, b1, right[i]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
    hn::StoreU(left[i], d, c + i * c_stride);
    hn::StoreU(right[i], d, c + i * c_stride + lanes);
  }
}

/// Any number of rows against one panel: whole tiles, then one tile of the rows that are left. The first tiles fetch
/// what follows the panel.
template <int kRows = kTileRows>
HWY_INLINE void multiply_panel(const float* a, int64_t a_stride, const float* b, int64_t k, int64_t rows,
                               TileStart start, float* c, int64_t c_stride, int64_t fetched = 0) {
  const int64_t size = k * tile_cols();
  for (; rows >= kRows; rows -= kRows, a += kRows * a_stride, c += kRows * c_stride) {
    multiply_tile<kRows>(a, a_stride, b, k, start, c, c_stride, fetched < size ? b + size + fetched : b);
    fetched += k * kCacheLine;
    if (start.residual) start.residual += kRows * c_stride;
  }
  if constexpr (kRows > 1) {
    if (rows > 0) multiply_panel<kRows - 1>(a, a_stride, b, k, rows, start, c, c_stride, fetched);
  }
}

}  // namespace pictrieve::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
