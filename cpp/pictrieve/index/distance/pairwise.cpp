#include "pictrieve/index/distance/pairwise.h"

#include "pictrieve/base/error.h"
#include "pictrieve/base/linalg.h"
#include "pictrieve/index/distance/bit_kernels.h"
#include "pictrieve/index/distance/float_kernel.h"
#include "pictrieve/index/distance/pairwise_tiles.h"

namespace pictrieve {
namespace {

constexpr int64_t kCachedBytes = 128 << 10;  // rows of y that many rows of x read while they are in cache

template <typename T>
using Kernel = void (*)(const T*, const RowListOf<T>&, float*);

Finish finish_of_kernel(Metric metric, PairKind kind) {
  const bool similarity = metric == Metric::Intersection || metric == Metric::Jaccard;
  if (similarity == (kind == PairKind::Score)) return Finish::Keep;
  return metric == Metric::Jaccard ? Finish::FromOne : Finish::Negate;
}

template <typename T>
void compare_by_kernel(MatrixView<const T> x, MatrixView<const T> y, Kernel<T> kernel, Finish finish,
                       MatrixView<float> out, const Monitor& monitor) {
  const int64_t row_bytes = x.cols * static_cast<int64_t>(sizeof(T));
  const int64_t y_step = std::clamp<int64_t>(kCachedBytes / row_bytes, 16, 4 * kTileCols);
  const auto tile = [&](int64_t x_begin, int64_t x_end, int64_t y_begin, int64_t y_end, const Worker& worker) {
    for (int64_t i = x_begin; i < x_end && !worker.should_stop(); ++i) {
      float* values = out.row(i) + y_begin;
      kernel(x.row(i), {y.data, y.cols, nullptr, y_begin, y_end - y_begin}, values);
      finish_values(finish, values, y_end - y_begin);
    }
  };
  for_each_tile(x.rows, y.rows, y_step, tile, monitor);
}

template <typename T>
void check_shapes(MatrixView<const T> x, MatrixView<const T> y, MatrixView<float> out) {
  require(x.cols > 0, "x: expected rows of at least 1 number, got 0");
  require(x.cols == y.cols, "y: expected rows of ", x.cols, " numbers like those of x, got ", y.cols);
  require(out.rows == x.rows && out.cols == y.rows, "out: expected shape (", x.rows, ", ", y.rows, "), got (", out.rows,
          ", ", out.cols, ")");
}

bool has_negative(const float* values, int64_t count) {
  int found = 0;
  for (int64_t i = 0; i < count; ++i) found |= static_cast<int>(values[i] < 0);
  return found != 0;
}

void check_values(MatrixView<const float> x, Metric metric, const char* name) {
  const bool histogram = is_histogram(metric);
  const bool squares = metric == Metric::InnerProduct || metric == Metric::L2;
  for (int64_t i = 0; i < x.rows; ++i) {
    const float* row = x.row(i);
    require(all_finite(row, x.cols), name, ": row ", i, " has NaN or infinity; replace it with np.nan_to_num(", name,
            ") or drop the row");
    require(!histogram || !has_negative(row, x.cols), name, ": row ", i, " has a negative number, and metric '",
            name_of(metric), "' compares histograms: expected numbers >= 0");
    require(!squares || dot(row, row, x.cols) <= kMaxSquaredLength, name, ": row ", i,
            " is too long: expected a squared length below ", kMaxSquaredLength, "; scale the rows down");
  }
}

}  // namespace

void pairwise(MatrixView<const float> x, MatrixView<const float> y, Metric metric, PairKind kind, MatrixView<float> out,
              const Monitor& monitor) {
  require(metric != Metric::Hamming,
          "metric: expected another than 'hamming' for rows of float32; pack their bits into "
          "uint8 with np.packbits(x > 0, axis=1)");
  check_shapes(x, y, out);
  check_values(x, metric, "x");
  if (y.data != x.data || y.rows != x.rows) check_values(y, metric, "y");
  if (is_product(base_metric(metric))) return compare_by_products(x, y, metric, kind, out, monitor);
  compare_by_kernel(x, y, float_kernel_of(metric), finish_of_kernel(metric, kind), out, monitor);
}

void pairwise(MatrixView<const uint8_t> x, MatrixView<const uint8_t> y, Metric metric, PairKind kind,
              MatrixView<float> out, const Monitor& monitor) {
  require(metric == Metric::Hamming || metric == Metric::Jaccard,
          "metric: expected hamming or jaccard for packed bits (uint8), got '", name_of(metric),
          "'; convert numbers with np.ascontiguousarray(x, dtype=np.float32)");
  check_shapes(x, y, out);
  compare_by_kernel(x, y, metric == Metric::Hamming ? hamming_distances : jaccard_bits, finish_of_kernel(metric, kind),
                    out, monitor);
}

}  // namespace pictrieve
