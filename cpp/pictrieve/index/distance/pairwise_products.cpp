#include <cmath>
#include <vector>

#include "pictrieve/index/distance/blas.h"
#include "pictrieve/index/distance/kernels.h"
#include "pictrieve/index/distance/pairwise_tiles.h"

namespace pictrieve {
namespace {

constexpr int64_t kPanelBytes = 16 << 20;  // rows of one side that are prepared at once
constexpr int64_t kFewestPanelRows = 256;

/// Note [close rows]: what BLAS sums is off by about 1e-7 of |x| |y|, however small the distance. Where the squared
/// distance is below this part of |x|^2 + |y|^2 that would show, so such pairs are summed again, from the differences.
constexpr float kClose = 0.05F;

/// Eight sums side by side, which the compiler turns into vectors; in double, where no square overflows.
template <typename Value>
double sum_of(int64_t count, const Value& value) {
  double sums[8] = {};
  int64_t i = 0;
  for (; i + 8 <= count; i += 8)
    for (int64_t lane = 0; lane < 8; ++lane) sums[lane] += value(i + lane);
  for (; i < count; ++i) sums[0] += value(i);
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

double squared_length(const float* row, int64_t dim) {
  return sum_of(dim, [row](int64_t i) { return double{row[i]} * row[i]; });
}

/// The row whose squared distance from others gives their cosine, Pearson or Bhattacharyya: of length 1, or of zeros.
void prepare_row(const float* row, int64_t dim, Metric metric, float* out) {
  const double mean = metric == Metric::Pearson ? sum_of(dim, [row](int64_t i) { return double{row[i]}; }) / dim : 0.0;
  for (int64_t i = 0; i < dim; ++i)
    out[i] = metric == Metric::Hellinger ? std::sqrt(row[i]) : static_cast<float>(row[i] - mean);
  const double squared = squared_length(out, dim);
  const double inverse = squared > 0 ? 1.0 / std::sqrt(squared) : 0.0;
  for (int64_t i = 0; i < dim; ++i) out[i] = static_cast<float>(out[i] * inverse);
}

/// Some rows of one side with their squared lengths, so that a distance is |x|^2 + |y|^2 - 2 x.y.
/// That of zeros counts as 1 where the others are 1: the cosine with any row is then 0.
struct Panel {
  Matrix<float> copies;
  MatrixView<const float> rows;
  std::vector<float> squared;

  Panel(MatrixView<const float> given, Metric metric) : rows(given), squared(static_cast<size_t>(given.rows), 1.0F) {
    if (metric == Metric::InnerProduct) return;
    if (metric != Metric::L2) {
      copies = Matrix<float>(given.rows, given.cols);
      rows = copies;
    }
    parallel_for(given.rows, 64, [&](int64_t begin, int64_t end, Worker) {
      for (int64_t i = begin; i < end; ++i) {
        if (metric == Metric::L2)
          squared[static_cast<size_t>(i)] = static_cast<float>(squared_length(given.row(i), given.cols));
        else
          prepare_row(given.row(i), given.cols, metric, copies.row(i));
      }
    });
  }
};

/// Calls panel(begin, end) over rows that fit the memory for one side.
template <typename Visit>
void for_each_panel(MatrixView<const float> x, const Visit& visit) {
  const int64_t row_bytes = x.cols * static_cast<int64_t>(sizeof(float));
  const int64_t step = std::max(kFewestPanelRows, kPanelBytes / row_bytes);
  for (int64_t begin = 0; begin < x.rows; begin += step) visit(begin, std::min(begin + step, x.rows));
}

/// Makes distances or scores of one tile. Each tile has its own.
class TileMaker {
 public:
  TileMaker(const Panel& x, const Panel& y, Metric metric, PairKind kind)
      : x_(x), y_(y), metric_(metric), kind_(kind), close_(kTileCols), again_(kTileCols) {}

  /// Rows [begin, end) of x with `count` rows of y from `first` on; `stride` floats from one row of out to the next.
  void make(int64_t begin, int64_t end, int64_t first, int64_t count, float* out, int64_t stride) {
    const int m = static_cast<int>(count), n = static_cast<int>(end - begin), k = static_cast<int>(x_.rows.cols);
    const int ldc = static_cast<int>(stride);
    const float one = 1, zero = 0;
    sgemm_("T", "N", &m, &n, &k, &one, y_.rows.row(first), &k, x_.rows.row(begin), &k, &zero, out, &ldc);
    for (int64_t i = begin; i < end; ++i, out += stride) {
      if (metric_ == Metric::InnerProduct) {
        finish_values(kind_ == PairKind::Score ? Finish::Keep : Finish::Negate, out, count);
        continue;
      }
      squared_from_products(i, first, count, out);
      finish(out, count);
    }
  }

 private:
  /// See Note [close rows]. The distance of equal rows is exactly 0 then, and their cosine 1.
  void squared_from_products(int64_t i, int64_t first, int64_t count, float* values) {
    const float length = x_.squared[static_cast<size_t>(i)];
    const float* lengths = y_.squared.data() + first;
    int64_t kept = 0;
    for (int64_t j = 0; j < count; ++j) values[j] = length + lengths[j] - 2 * values[j];
    for (int64_t j = 0; j < count; ++j) {
      close_[static_cast<size_t>(kept)] = static_cast<int32_t>(j);
      kept += static_cast<int64_t>(values[j] <= kClose * (length + lengths[j]));
    }
    const RowList rows{y_.rows.row(first), y_.rows.cols, close_.data(), 0, kept};
    squared_distances(x_.rows.row(i), rows, again_.data());
    for (size_t k = 0; k < static_cast<size_t>(kept); ++k) values[close_[k]] = again_[k];
  }

  void finish(float* values, int64_t count) const {
    const bool score = kind_ == PairKind::Score;
    if (metric_ == Metric::L2) {
      for (int64_t j = 0; j < count; ++j) values[j] = std::sqrt(values[j]);
      finish_values(score ? Finish::Negate : Finish::Keep, values, count);
      return;
    }
    for (int64_t j = 0; j < count; ++j) values[j] = std::min(0.5F * values[j], 2.0F);  // 1 - cosine
    if (score) return finish_values(Finish::FromOne, values, count);
    if (metric_ != Metric::Hellinger) return;
    for (int64_t j = 0; j < count; ++j) values[j] = std::sqrt(std::min(values[j], 1.0F));
  }

  const Panel& x_;
  const Panel& y_;
  const Metric metric_;
  const PairKind kind_;
  std::vector<int32_t> close_;  ///< places of pairs to sum again
  std::vector<float> again_;
};

}  // namespace

void compare_by_products(MatrixView<const float> x, MatrixView<const float> y, Metric metric, PairKind kind,
                         MatrixView<float> out, const Monitor& monitor) {
  int64_t done = 0;
  for_each_panel(y, [&](int64_t y_begin, int64_t y_end) {
    const Panel ys(y.slice(y_begin, y_end), metric);
    for_each_panel(x, [&](int64_t x_begin, int64_t x_end) {
      const Panel xs(x.slice(x_begin, x_end), metric);
      const int64_t pairs = (x_end - x_begin) * (y_end - y_begin);
      const auto tile = [&](int64_t begin, int64_t end, int64_t first, int64_t last, const Worker&) {
        float* corner = out.row(x_begin + begin) + y_begin + first;
        TileMaker(xs, ys, metric, kind).make(begin, end, first, last - first, corner, out.cols);
      };
      for_each_tile(xs.rows.rows, ys.rows.rows, kTileCols, tile, [&](int64_t part, int64_t parts) {
        if (monitor) monitor(done + pairs / parts * part, x.rows * y.rows);
      });
      done += pairs;
    });
  });
}

}  // namespace pictrieve
