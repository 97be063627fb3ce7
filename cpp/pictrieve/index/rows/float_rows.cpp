#include "pictrieve/index/rows/float_rows.h"

#include <hwy/base.h>
#include <hwy/cache_control.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "pictrieve/base/linalg.h"
#include "pictrieve/index/file/sections.h"
#include "pictrieve/index/rows/scores.h"

namespace pictrieve {
namespace {

constexpr int64_t kFewestRoughRows = 512;    // fewer are compared in no time
constexpr int64_t kFewestRoughNumbers = 64;  // in a row: products of shorter ones are not what takes the time

class FloatComparer final : public Comparer {
 public:
  explicit FloatComparer(const FloatRows& rows)
      : rows_(rows), metric_(rows.metric()), dim_(rows.dim()), kernel_(float_kernel_of(metric_)) {}

  void set_query(const Query& query) override { query_ = query; }

  void set_row(int32_t row) override {
    query_ = {rows_.row(row), nullptr, 0, 0, row};
    if (!is_product(metric_)) return;
    query_.squared = rows_.lengths().squared(row);
    query_.inverse = rows_.lengths().inverse(row);
  }

  void keys(std::span<const int32_t> rows, float* out) const override {
    const auto count = static_cast<int64_t>(rows.size());
    kernel_(query_.values, {rows_.row(0), dim_, rows.data(), 0, count}, out);
    if (metric_ == Metric::Cosine)
      for (size_t i = 0; i < rows.size(); ++i) out[i] *= rows_.lengths().inverse(rows[i]) * query_.inverse;
    else
      turn_distances(metric_, out, count);
  }

  void keys_of_block(int64_t first, int64_t count, float* out) const override {
    kernel_(query_.values, {rows_.row(0), dim_, nullptr, first, count}, out);
    if (metric_ == Metric::Cosine)
      scale_keys(out, count, rows_.lengths().view()->inverse.data() + first, query_.inverse);
    else
      turn_distances(metric_, out, count);
  }

  void scores(std::span<const int32_t> rows, float* out) const override {
    if (metric_ != Metric::Cosine) {
      keys(rows, out);
      scores_from_keys(metric_, out, rows.size());
      return;
    }
    for (size_t i = 0; i < rows.size(); ++i) {  // Note [exact scores]
      const float* values = rows_.row(rows[i]);
      out[i] = cosine_score(dot(query_.values, values, dim_), query_.squared, dot(values, values, dim_));
    }
  }

  void prefetch(int32_t row) const override {
    constexpr int64_t kLines = 4;  // the kernel asks for the rest while it is busy with the rows before
    const float* values = rows_.row(row);
    for (int64_t i = 0; i < std::min<int64_t>(dim_, kLines * 16); i += 16) hwy::Prefetch(values + i);
  }

 private:
  const FloatRows& rows_;
  Metric metric_;
  int64_t dim_;
  FloatKernel kernel_;
  Query query_;
};

}  // namespace

KeySlack rounding_slack(Metric metric, int64_t dim, const Query& query, float longest) {
  constexpr float kEpsilon = std::numeric_limits<float>::epsilon();
  const float unit = kEpsilon * (8 + std::sqrt(static_cast<float>(dim)));
  const float length = std::sqrt(query.squared);
  if (metric == Metric::InnerProduct) return {unit * length * longest, 4 * kEpsilon};
  if (metric == Metric::L2) return {unit * (length + longest) * (length + longest), 4 * kEpsilon};
  return {unit, 4 * kEpsilon};
}

void FloatRows::append(VectorsView view) {
  const MatrixView<const float> rows = view.floats("add", dim());
  std::copy_n(rows.data, rows.size(), vectors_.extend(rows.rows));
  if (!is_product(metric_)) return;
  for (int64_t i = 0; i < rows.rows; ++i) lengths_.append(dot(rows.row(i), rows.row(i), dim()));
}

void FloatRows::truncate(int64_t rows) {
  vectors_.truncate(rows);
  lengths_.truncate(rows);
  rough_.truncate(rows);
}

void FloatRows::keep(std::span<const int32_t> order) {
  vectors_.keep(order);
  rough_.drop();
  if (is_product(metric_)) lengths_.keep(order);
}

void FloatRows::decode(int64_t row, void* out) const {
  std::copy_n(vectors_.row(row), dim(), static_cast<float*>(out));
}

std::unique_ptr<Comparer> FloatRows::comparer() const { return std::make_unique<FloatComparer>(*this); }

KeySlack FloatRows::slack(const Query& query) const {
  return is_product(metric_) ? rounding_slack(metric_, dim(), query, lengths_.longest()) : KeySlack{};
}

const RoughRows* FloatRows::rough(int64_t queries, const Monitor& monitor) const {
  const bool suit = is_product(metric_) && size() >= kFewestRoughRows && dim() >= kFewestRoughNumbers;
  return suit && dim() <= kMaxRoughDim && rough_kernel() ? rough_.codes(*this, queries, monitor) : nullptr;
}

void FloatRows::save(SectionWriter& file) const {
  file.borrow(SectionKind::Vectors, vectors_.all());
  if (is_product(metric_)) lengths_.save(file);
}

void FloatRows::load(const SectionReader& file, int64_t rows) {
  file.read_rows(SectionKind::Vectors, rows, vectors_);
  if (is_product(metric_)) lengths_.load(file, rows);
}

}  // namespace pictrieve
