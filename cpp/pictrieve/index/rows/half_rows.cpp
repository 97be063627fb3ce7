#include "pictrieve/index/rows/half_rows.h"

#include <hwy/base.h>
#include <hwy/cache_control.h>

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include "pictrieve/base/error.h"
#include "pictrieve/base/linalg.h"
#include "pictrieve/index/file/sections.h"
#include "pictrieve/index/rows/float_rows.h"
#include "pictrieve/index/rows/scores.h"

namespace pictrieve {
namespace {

constexpr int64_t kDecodedRows = 32;  // at a time, where the metric has no kernel of 16-bit floats

template <typename T>
float product(const float* query, const T* row, int64_t dim) {
  float product = 0;
  dots(query, RowListOf<T>{row, dim, nullptr, 0, 1}, &product);
  return product;
}

/// A query as the rows' type rounds it.
template <typename T>
class RoundedQuery {
 public:
  explicit RoundedQuery(int64_t dim)
      : dim_(dim), encoded_(static_cast<size_t>(dim)), values_(static_cast<size_t>(dim)) {}

  /// What it gives points into this object, or where `query` did.
  Query round(const Query& query) {
    Query rounded = query;
    if (encode(query.values, dim_, encoded_.data()) < dim_) return rounded;
    pictrieve::decode(encoded_.data(), dim_, values_.data());
    rounded.values = values_.data();
    rounded.squared = product(values_.data(), encoded_.data(), dim_);
    rounded.inverse = inverse_length(rounded.squared);
    return rounded;
  }

 private:
  int64_t dim_;
  std::vector<T> encoded_;
  std::vector<float> values_;
};

template <typename T>
class HalfComparer final : public Comparer {
 public:
  explicit HalfComparer(const HalfRows<T>& rows)
      : rows_(rows), metric_(rows.metric()), dim_(rows.dim()), rounded_(dim_), row_(static_cast<size_t>(dim_)) {
    if (!is_product(metric_)) decoded_.resize(static_cast<size_t>(dim_ * kDecodedRows));
  }

  void set_query(const Query& query) override { query_ = rounded_.round(query); }

  void set_row(int32_t row) override {
    from_.resize(static_cast<size_t>(dim_));
    pictrieve::decode(rows_.row(row), dim_, from_.data());
    query_ = {from_.data(), nullptr, 0, 0, row};
    if (!is_product(metric_)) return;
    query_.squared = rows_.lengths().squared(row);
    query_.inverse = rows_.lengths().inverse(row);
  }

  void keys(std::span<const int32_t> rows, float* out) const override {
    compare({rows_.row(0), dim_, rows.data(), 0, static_cast<int64_t>(rows.size())}, out);
    if (metric_ == Metric::Cosine)
      for (size_t i = 0; i < rows.size(); ++i) out[i] *= rows_.lengths().inverse(rows[i]) * query_.inverse;
  }

  void keys_of_block(int64_t first, int64_t count, float* out) const override {
    compare({rows_.row(0), dim_, nullptr, first, count}, out);
    if (metric_ == Metric::Cosine)
      scale_keys(out, count, rows_.lengths().view()->inverse.data() + first, query_.inverse);
  }

  void scores(std::span<const int32_t> rows, float* out) const override {
    compare({rows_.row(0), dim_, rows.data(), 0, static_cast<int64_t>(rows.size())}, out);
    scores_from_keys(metric_, out, rows.size());
    if (metric_ != Metric::Cosine) return;
    for (size_t i = 0; i < rows.size(); ++i) {  // Note [exact scores]
      const T* values = rows_.row(rows[i]);
      pictrieve::decode(values, dim_, row_.data());
      out[i] = cosine_score(out[i], query_.squared, product(row_.data(), values, dim_));
    }
  }

  void prefetch(int32_t row) const override {
    constexpr int64_t kLines = 4;  // the kernel asks for the rest while it is busy with the rows before
    const T* values = rows_.row(row);
    for (int64_t i = 0; i < std::min<int64_t>(dim_, kLines * 32); i += 32) hwy::Prefetch(values + i);
  }

 private:
  void compare(const RowListOf<T>& list, float* out) const {
    if (metric_ == Metric::L2)
      squared_distances(query_.values, list, out);
    else if (is_product(metric_))
      dots(query_.values, list, out);
    else
      compare_decoded(list, out);
    turn_distances(metric_, out, list.count);
  }

  void compare_decoded(const RowListOf<T>& list, float* out) const {
    const FloatKernel kernel = float_kernel_of(metric_);
    for (int64_t first = 0; first < list.count; first += kDecodedRows) {
      const int64_t count = std::min(kDecodedRows, list.count - first);
      for (int64_t i = 0; i < count; ++i) pictrieve::decode(list.row(first + i), dim_, decoded_.data() + i * dim_);
      kernel(query_.values, {decoded_.data(), dim_, nullptr, 0, count}, out + first);
    }
  }

  const HalfRows<T>& rows_;
  Metric metric_;
  int64_t dim_;
  RoundedQuery<T> rounded_;
  std::vector<float> from_;  ///< the row that is compared with, after set_row
  mutable std::vector<float> row_;
  mutable std::vector<float> decoded_;
  Query query_;
};

}  // namespace

template <typename T>
void HalfRows<T>::append(VectorsView view) {
  const MatrixView<const float> rows = view.floats("add", dim());
  T* out = vectors_.extend(rows.rows);
  std::vector<float> rounded(static_cast<size_t>(dim()));
  for (int64_t i = 0; i < rows.rows; ++i, out += dim()) {
    const int64_t past = encode(rows.row(i), dim(), out);
    if (past < dim())
      require(false, "add: row ", i, " holds ", rows.row(i)[past], ", ",
              std::is_same_v<T, Float16>
                  ? "and float16 ends at 65504; use dtype bfloat16 or float32, or scale the vectors down"
                  : "which bfloat16 rounds to infinity; scale the vectors down");
    if (!is_product(metric_)) continue;
    pictrieve::decode(out, dim(), rounded.data());
    const float squared = product(rounded.data(), out, dim());
    require(squared <= kMaxSquaredLength, "add: the squared length of row ", i,
            ", rounded, is past float32; scale the vectors down");
    require(squared > 0 || inverse_length(dot(rows.row(i), rows.row(i), dim())) == 0, "add: all numbers of row ", i,
            " round to 0 in 16 bits; use dtype bfloat16 or float32, or scale the vectors up");
    lengths_.append(squared);
  }
}

template <typename T>
void HalfRows<T>::truncate(int64_t rows) {
  vectors_.truncate(rows);
  lengths_.truncate(rows);
}

template <typename T>
void HalfRows<T>::keep(std::span<const int32_t> order) {
  vectors_.keep(order);
  if (is_product(metric_)) lengths_.keep(order);
}

template <typename T>
void HalfRows<T>::decode(int64_t row, void* out) const {
  pictrieve::decode(vectors_.row(row), dim(), static_cast<float*>(out));
}

template <typename T>
const float* HalfRows<T>::block(int64_t first, int64_t count, float* buffer) const {
  pictrieve::decode(vectors_.row(first), count * dim(), buffer);
  return buffer;
}

template <typename T>
std::unique_ptr<Comparer> HalfRows<T>::comparer() const {
  return std::make_unique<HalfComparer<T>>(*this);
}

/// BLAS multiplies the query as it came: to the errors of sums comes that of rounding it, e = |query - rounded|. It
/// changes a product by e |row|, a squared distance by e (|query - row| + |rounded - row|), and of a cosine the unit
/// vectors by e / sqrt(|query| |rounded|), since |a - b|^2 = (|a| - |b|)^2 + |a| |b| |a / |a| - b / |b||^2.
template <typename T>
KeySlack HalfRows<T>::slack(const Query& query) const {
  if (!is_product(metric_)) return {};
  KeySlack slack = rounding_slack(metric_, dim(), query, lengths_.longest());
  RoundedQuery<T> rounding(dim());
  const Query rounded = rounding.round(query);
  double squared = 0;
  for (int64_t i = 0; i < dim(); ++i) {
    const double difference = double{query.values[i]} - rounded.values[i];
    squared += difference * difference;
  }
  const auto error = static_cast<float>(std::sqrt(squared)) * 1.001F;
  const float length = std::sqrt(std::max(query.squared, rounded.squared));
  if (metric_ == Metric::InnerProduct) slack.absolute += error * lengths_.longest();
  if (metric_ == Metric::L2) slack.absolute += 2 * error * (length + lengths_.longest());
  // Where one of them counts as a row of zeros, its cosine is 0 and the other's anything.
  if (metric_ == Metric::Cosine && error > 0)
    slack.absolute +=
        query.inverse == 0 || rounded.inverse == 0 ? 1 : error * std::sqrt(query.inverse * rounded.inverse);
  return slack;
}

template <typename T>
void HalfRows<T>::save(SectionWriter& file) const {
  file.borrow(SectionKind::Vectors, vectors_.all());
  if (is_product(metric_)) lengths_.save(file);
}

template <typename T>
void HalfRows<T>::load(const SectionReader& file, int64_t rows) {
  file.read_rows(SectionKind::Vectors, rows, vectors_);
  if (is_product(metric_)) lengths_.load(file, rows);
}

template class HalfRows<Float16>;
template class HalfRows<BFloat16>;

}  // namespace pictrieve
