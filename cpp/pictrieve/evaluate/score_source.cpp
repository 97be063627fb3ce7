#include "pictrieve/evaluate/score_source.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "pictrieve/base/error.h"
#include "pictrieve/base/linalg.h"
#include "pictrieve/base/parallel.h"
#include "pictrieve/index/distance/bit_kernels.h"
#include "pictrieve/index/distance/float_kernel.h"
#include "pictrieve/index/distance/pairwise.h"
#include "pictrieve/index/preparation.h"

namespace pictrieve {
namespace {

/// What rounding can move a sum of `dim` products by, relative to the lengths of both rows: 8 standard deviations of
/// the model of Higham and Mary (2019, "A new approach to probabilistic rounding error analysis"), and that of the few
/// operations around the sum.
float rounding(int64_t dim) { return (8 * std::sqrt(static_cast<float>(dim)) + 8) * 0x1p-24F; }

std::vector<float> squared_lengths(MatrixView<const float> rows) {
  std::vector<float> squared(static_cast<size_t>(rows.rows));
  parallel_for(rows.rows, 1024, [&](int64_t begin, int64_t end, Worker) {
    for (int64_t i = begin; i < end; ++i) squared[static_cast<size_t>(i)] = dot(rows.row(i), rows.row(i), rows.cols);
  });
  return squared;
}

/// Cosine, inner product and L2: BLAS for the fast scores, the kernels of single queries for the exact ones.
class ProductScores : public ScoreSource {
 public:
  ProductScores(MatrixView<const float> given_queries, MatrixView<const float> given_gallery, Metric given_metric)
      : prepared_queries_(prepared_for(given_metric, given_queries)),
        prepared_gallery_(prepared_for(given_metric, given_gallery)),
        queries_(prepared_queries_.rows() > 0 ? prepared_queries_ : given_queries),
        gallery_(prepared_gallery_.rows() > 0 ? prepared_gallery_ : given_gallery),
        metric_(base_metric(given_metric)),
        query_factors_(squared_lengths(queries_)),
        item_factors_(squared_lengths(gallery_)) {
    longest_ = item_factors_.empty() ? 0.0F : *std::ranges::max_element(item_factors_);
    if (metric_ != Metric::Cosine) return;
    for (auto* factors : {&query_factors_, &item_factors_})
      for (float& factor : *factors) factor = factor > 0 ? 1 / std::sqrt(factor) : 0.0F;
  }

  int64_t queries() const override { return queries_.rows; }
  int64_t items() const override { return gallery_.rows; }

  void fill(int64_t begin, int64_t end, int64_t first, int64_t count, float* out) const override {
    pairwise(queries_.slice(begin, end), gallery_.slice(first, first + count), Metric::InnerProduct, PairKind::Score,
             {out, end - begin, count});
    for (int64_t query = begin; query < end; ++query, out += count) {
      const float factor = query_factors_[static_cast<size_t>(query)];
      if (metric_ == Metric::Cosine) scale_keys(out, count, item_factors_.data() + first, factor);
      if (metric_ == Metric::L2) distance_keys(out, count, item_factors_.data() + first, factor);
    }
  }

  float tolerance(int64_t query) const override {
    const float factor = query_factors_[static_cast<size_t>(query)];
    const float relative = rounding(gallery_.cols);
    if (metric_ == Metric::Cosine) return relative;
    return metric_ == Metric::L2 ? relative * (factor + longest_) : relative * std::sqrt(factor) * std::sqrt(longest_);
  }

  void exact(int64_t query, const int32_t* items, int64_t count, float* out) const override {
    const RowList rows{gallery_.data, gallery_.cols, items, 0, count};
    if (metric_ != Metric::L2) dots(queries_.row(query), rows, out);
    if (metric_ == Metric::L2) squared_distances(queries_.row(query), rows, out);
    for (int64_t i = 0; i < count; ++i) {
      const auto item = static_cast<size_t>(items[i]);
      if (metric_ == Metric::L2) out[i] = -out[i];
      if (metric_ == Metric::Cosine) out[i] *= item_factors_[item] * query_factors_[static_cast<size_t>(query)];
    }
  }

 private:
  const Matrix<float> prepared_queries_, prepared_gallery_;  ///< centred or rooted; mostly empty
  const MatrixView<const float> queries_, gallery_;
  const Metric metric_;
  std::vector<float> query_factors_, item_factors_;  ///< squared lengths, or 1 / length for cosine
  float longest_;                                    ///< squared length of the longest item
};

template <typename T>
using Kernel = void (*)(const T*, const RowListOf<T>&, float*);

/// Metrics that are summed pair by pair: the fast scores are the exact ones.
template <typename T>
class KernelScores : public ScoreSource {
 public:
  KernelScores(MatrixView<const T> queries, MatrixView<const T> gallery, Kernel<T> kernel, bool similarity)
      : queries_(queries), gallery_(gallery), kernel_(kernel), similarity_(similarity) {}

  int64_t queries() const override { return queries_.rows; }
  int64_t items() const override { return gallery_.rows; }
  float tolerance(int64_t) const override { return 0; }

  void fill(int64_t begin, int64_t end, int64_t first, int64_t count, float* out) const override {
    for (int64_t query = begin; query < end; ++query, out += count)
      compare(query, {gallery_.data, gallery_.cols, nullptr, first, count}, out);
  }
  void exact(int64_t query, const int32_t* items, int64_t count, float* out) const override {
    compare(query, {gallery_.data, gallery_.cols, items, 0, count}, out);
  }

 private:
  void compare(int64_t query, const RowListOf<T>& rows, float* out) const {
    kernel_(queries_.row(query), rows, out);
    if (!similarity_) std::transform(out, out + rows.count, out, std::negate<>());
  }

  const MatrixView<const T> queries_, gallery_;
  const Kernel<T> kernel_;
  const bool similarity_;
};

class GivenScores : public ScoreSource {
 public:
  explicit GivenScores(MatrixView<const float> scores) : scores_(scores) {
    for (int64_t i = 0; i < scores.rows; ++i)
      require(std::none_of(scores.row(i), scores.row(i) + scores.cols, [](float score) { return std::isnan(score); }),
              "scores: row ", i, " has NaN; an item that a query must not find belongs into junk");
  }

  int64_t queries() const override { return scores_.rows; }
  int64_t items() const override { return scores_.cols; }
  float tolerance(int64_t) const override { return 0; }

  void fill(int64_t begin, int64_t end, int64_t first, int64_t count, float* out) const override {
    for (int64_t query = begin; query < end; ++query, out += count) std::copy_n(scores_.row(query) + first, count, out);
  }
  void exact(int64_t query, const int32_t* items, int64_t count, float* out) const override {
    for (int64_t i = 0; i < count; ++i) out[i] = scores_.row(query)[items[i]];
  }

 private:
  const MatrixView<const float> scores_;
};

template <typename T>
void require_same_dim(MatrixView<const T> queries, MatrixView<const T> gallery) {
  require(queries.cols > 0, "queries: expected rows of at least 1 number, got 0");
  require(queries.cols == gallery.cols, "gallery: expected rows of ", queries.cols,
          " numbers like those of queries, got ", gallery.cols);
}

}  // namespace

std::unique_ptr<ScoreSource> score_source(MatrixView<const float> queries, MatrixView<const float> gallery,
                                          Metric metric) {
  require(metric != Metric::Hamming,
          "metric: expected another than 'hamming' for rows of float32; pack their bits "
          "into uint8 with np.packbits(x > 0, axis=1)");
  require_same_dim(queries, gallery);
  require_comparable(queries, metric, "queries");
  if (gallery.data != queries.data) require_comparable(gallery, metric, "gallery");
  if (is_product(base_metric(metric))) return std::make_unique<ProductScores>(queries, gallery, metric);
  const bool similarity = metric == Metric::Intersection || metric == Metric::Jaccard;
  return std::make_unique<KernelScores<float>>(queries, gallery, float_kernel_of(metric), similarity);
}

std::unique_ptr<ScoreSource> score_source(MatrixView<const uint8_t> queries, MatrixView<const uint8_t> gallery,
                                          Metric metric) {
  require(metric == Metric::Hamming || metric == Metric::Jaccard,
          "metric: expected hamming or jaccard for packed bits (uint8), got '", name_of(metric),
          "'; convert numbers with np.ascontiguousarray(x, dtype=np.float32)");
  require_same_dim(queries, gallery);
  const bool hamming = metric == Metric::Hamming;
  return std::make_unique<KernelScores<uint8_t>>(queries, gallery, hamming ? hamming_distances : jaccard_bits,
                                                 !hamming);
}

std::unique_ptr<ScoreSource> score_source(MatrixView<const float> scores) {
  return std::make_unique<GivenScores>(scores);
}

}  // namespace pictrieve
