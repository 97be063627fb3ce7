#include "pictrieve/index/transform/projection.h"

#include <algorithm>
#include <numeric>

#include "pictrieve/base/error.h"
#include "pictrieve/base/linalg.h"
#include "pictrieve/index/distance/kernels.h"
#include "pictrieve/index/file/sections.h"
#include "pictrieve/index/lists/clustering.h"
#include "pictrieve/index/rows/lengths.h"
#include "pictrieve/index/transform/linear.h"
#include "pictrieve/index/transform/opq.h"

namespace pictrieve {
namespace {

using Kind = ProjectionSpec::Kind;

std::vector<float> mean_of(MatrixView<const float> rows) {
  std::vector<double> sums(static_cast<size_t>(rows.cols), 0);
  for (int64_t i = 0; i < rows.rows; ++i)
    for (int64_t d = 0; d < rows.cols; ++d) sums[static_cast<size_t>(d)] += rows.row(i)[d];
  std::vector<float> mean;
  for (const double sum : sums) mean.push_back(static_cast<float>(sum / static_cast<double>(rows.rows)));
  return mean;
}

}  // namespace

Projection::Projection(const ProjectionSpec& spec, int64_t dim, Metric base)
    : spec_(spec), dim_in_(dim), dim_out_(spec.dim > 0 ? spec.dim : dim), base_(base) {
  require(dim_out_ <= dim_in_, "factory: a projection cannot make ", dim_out_, " dimensions of ", dim_in_);
  require(spec.kind != Kind::Opq || (spec.m >= 1 && dim_out_ % spec.m == 0), "factory: OPQ", spec.m, " prepares ",
          spec.m, " equal parts, and ", dim_out_, " dimensions have none; write OPQ", spec.m, "_",
          std::max<int64_t>(dim_out_ / std::max(spec.m, 1), 1) * spec.m);
}

int64_t Projection::least_for_training() const { return spec_.kind == Kind::Rotation ? 0 : dim_out_; }

void Projection::train(MatrixView<const float> rows, uint64_t seed, const Monitor& monitor) {
  shift_.assign(static_cast<size_t>(dim_out_), 0.0F);
  if (spec_.kind == Kind::Rotation) {
    std::vector<int64_t> first(static_cast<size_t>(dim_out_));
    std::iota(first.begin(), first.end(), int64_t{0});
    return set_directions(random_rotation(dim_in_, seed), first);
  }
  constexpr int64_t kMostRows = 65536;
  const Matrix<float> sample = sample_rows(rows, kMostRows, seed, base_ == Metric::Cosine);
  std::vector<float> mean(static_cast<size_t>(dim_in_), 0.0F);
  if (base_ == Metric::L2) mean = mean_of(sample);
  for (int64_t i = 0; i < sample.rows(); ++i)
    for (int64_t d = 0; d < dim_in_; ++d) sample.row(i)[d] -= mean[static_cast<size_t>(d)];
  learn_directions(sample, seed, monitor);
  for (int64_t i = 0; i < dim_out_; ++i)
    shift_[static_cast<size_t>(i)] = -dot(matrix_.data() + i * dim_in_, mean.data(), dim_in_);
}

void Projection::learn_directions(MatrixView<const float> rows, uint64_t seed, const Monitor& monitor) {
  std::vector<double> variances;
  const Square directions = eigenvectors(products_of_columns(rows, rows, monitor), variances);
  std::vector<int64_t> order(static_cast<size_t>(dim_out_));
  std::iota(order.begin(), order.end(), int64_t{0});
  if (spec_.kind == Kind::Opq) order = balanced_order(variances, dim_out_, spec_.m);
  set_directions(directions, order);
  if (spec_.kind != Kind::Opq) return;
  constexpr int64_t kRowsOfRotation = 16384;
  turn_directions(optimised_rotation(apply(sample_rows(rows, kRowsOfRotation, seed, false)), spec_.m, seed, monitor));
}

void Projection::set_directions(const Square& columns, const std::vector<int64_t>& order) {
  matrix_.clear();
  for (const int64_t column : order)
    for (int64_t d = 0; d < dim_in_; ++d) matrix_.push_back(static_cast<float>(columns.at(d, column)));
}

/// Rows are turned by `rotation` after they were projected: A becomes R^T A.
void Projection::turn_directions(const Square& rotation) {
  std::vector<float> turned(matrix_.size(), 0.0F);
  for (int64_t i = 0; i < dim_out_; ++i)
    for (int64_t k = 0; k < dim_out_; ++k) {
      const auto factor = static_cast<float>(rotation.at(k, i));
      const float* from = matrix_.data() + k * dim_in_;
      float* to = turned.data() + i * dim_in_;
      for (int64_t d = 0; d < dim_in_; ++d) to[d] += factor * from[d];
    }
  matrix_ = std::move(turned);
}

Matrix<float> Projection::apply(MatrixView<const float> rows) const {
  Matrix<float> projected(rows.rows, dim_out_);
  parallel_for(rows.rows, 64, [&](int64_t begin, int64_t end, const Worker&) {
    for (int64_t i = begin; i < end; ++i) {
      float* out = projected.row(i);
      dots(rows.row(i), {matrix_.data(), dim_in_, nullptr, 0, dim_out_}, out);
      for (int64_t d = 0; d < dim_out_; ++d) out[d] += shift_[static_cast<size_t>(d)];
    }
  });
  return projected;
}

void Projection::reverse(const float* projected, float* out) const {
  std::fill_n(out, dim_in_, 0.0F);
  for (int64_t i = 0; i < dim_out_; ++i) {
    const float value = projected[i] - shift_[static_cast<size_t>(i)];
    for (int64_t d = 0; d < dim_in_; ++d) out[d] += value * matrix_[static_cast<size_t>(i * dim_in_ + d)];
  }
}

void Projection::save(SectionWriter& file) const {
  file.borrow<float>(SectionKind::Matrix, matrix_);
  file.borrow<float>(SectionKind::Bias, shift_);
}

void Projection::load(const SectionReader& file) {
  matrix_ = file.read<float>(SectionKind::Matrix, dim_out_ * dim_in_);
  shift_ = file.read<float>(SectionKind::Bias, dim_out_);
  bool sane = dot(shift_.data(), shift_.data(), dim_out_) <= kMaxSquaredLength;
  for (int64_t i = 0; i < dim_out_; ++i)
    sane = sane && dot(matrix_.data() + i * dim_in_, matrix_.data() + i * dim_in_, dim_in_) <= 1.01F;
  require<FormatError>(sane, "index file: a projection is not one that keeps lengths");
}

}  // namespace pictrieve
