#include "pictrieve/index/rows/codebook.h"

#include <algorithm>
#include <cmath>

#include "pictrieve/base/error.h"
#include "pictrieve/base/linalg.h"
#include "pictrieve/index/file/sections.h"
#include "pictrieve/index/lists/clustering.h"
#include "pictrieve/index/rows/lengths.h"
#include "pictrieve/index/rows/part_products.h"

namespace pictrieve {
namespace {

/// The number of parts nearest to m that divides dim.
int64_t nearest_divisor(int64_t dim, int64_t m) {
  for (int64_t step = 0;; ++step) {
    if (m - step >= 1 && dim % (m - step) == 0) return m - step;
    if (m + step <= dim && dim % (m + step) == 0) return m + step;
  }
}

}  // namespace

Codebook::Codebook(int64_t dim, int64_t m, int64_t points) : dim_(dim), m_(m), points_(points) {
  require(m >= 1 && m <= dim && dim % m == 0, "factory: PQ", m, " cuts rows into ", m, " equal parts, and ", dim,
          " dimensions have none; use PQ", nearest_divisor(dim, std::clamp<int64_t>(m, 1, dim)),
          " or a projection in front, such as OPQ", m, "_", std::max<int64_t>(dim / m, 1) * m);
}

Matrix<float> Codebook::parts_of(MatrixView<const float> rows, int64_t j) const {
  Matrix<float> parts(rows.rows, part_dim());
  for (int64_t i = 0; i < rows.rows; ++i) std::copy_n(rows.row(i) + j * part_dim(), part_dim(), parts.row(i));
  return parts;
}

void Codebook::train(MatrixView<const float> rows, uint64_t seed, const Monitor& monitor) {
  constexpr int kSteps = 15;
  std::vector<float> values(static_cast<size_t>(dim_ * points_));
  for (int64_t j = 0; j < m_; ++j) {
    const Matrix<float> points =
        cluster(parts_of(rows, j), points_, {kSteps, false, seed}, monitor_of_step(monitor, j, m_));
    std::copy_n(points.data(), points_ * part_dim(), part(values, j).data);
  }
  take(std::move(values));
}

void Codebook::refine(MatrixView<const float> rows, int steps, const Monitor& monitor) {
  std::vector<float> values = values_;
  for (int64_t j = 0; j < m_; ++j) {
    Matrix<float> points(points_, part_dim());
    std::copy_n(part(values, j).data, points_ * part_dim(), points.data());
    pictrieve::refine(parts_of(rows, j), {steps, false, 0}, monitor_of_step(monitor, j, m_), points);
    std::copy_n(points.data(), points_ * part_dim(), part(values, j).data);
  }
  take(std::move(values));
}

void Codebook::take(std::vector<float> values) {
  values_ = std::move(values);
  turned_.resize(values_.size());
  nearest_.clear();
  float squared = 0;
  for (int64_t j = 0; j < m_; ++j) {
    const MatrixView<const float> points = part(values_, j);
    nearest_.emplace_back(points, NearestPoints::By::Distance);
    for (int64_t p = 0; p < points_; ++p)
      for (int64_t d = 0; d < part_dim(); ++d)
        turned_[static_cast<size_t>((j * part_dim() + d) * points_ + p)] = points.row(p)[d];
    float longest = 0;
    for (int64_t p = 0; p < points_; ++p) longest = std::max(longest, dot(points.row(p), points.row(p), part_dim()));
    squared += longest;
  }
  longest_ = std::sqrt(squared);
}

void Codebook::encode(MatrixView<const float> rows, uint8_t* codes) const {
  std::vector<int32_t> found(static_cast<size_t>(rows.rows));
  for (int64_t j = 0; j < m_; ++j) {
    nearest_[static_cast<size_t>(j)].find(rows.data + j * part_dim(), rows.rows, dim_, found.data());
    for (int64_t i = 0; i < rows.rows; ++i) codes[i * m_ + j] = static_cast<uint8_t>(found[static_cast<size_t>(i)]);
  }
}

void Codebook::decode(const uint8_t* codes, float* out) const {
  for (int64_t j = 0; j < m_; ++j)
    out = std::copy_n(values_.data() + (j * points_ + codes[j]) * part_dim(), part_dim(), out);
}

void Codebook::products(const float* query, float* out) const {
  for (int64_t j = 0; j < m_; ++j)
    part_products(turned_.data() + j * part_dim() * points_, points_, query + j * part_dim(), part_dim(),
                  out + j * points_);
}

void Codebook::save(SectionWriter& file) const { file.borrow<float>(SectionKind::Codebook, values_); }

void Codebook::load(const SectionReader& file) {
  auto values = file.read<float>(SectionKind::Codebook, dim_ * points_);
  require<FormatError>(all_finite(values.data(), static_cast<int64_t>(values.size())),
                       "index file: the codebook holds numbers that are not finite");
  take(std::move(values));
  require<FormatError>(longest() <= std::sqrt(kMaxSquaredLength), "index file: the codebook holds impossible numbers");
}

}  // namespace pictrieve
