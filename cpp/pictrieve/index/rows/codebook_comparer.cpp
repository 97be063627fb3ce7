#include "pictrieve/index/rows/codebook_comparer.h"

#include <algorithm>
#include <cmath>

#include "pictrieve/base/linalg.h"
#include "pictrieve/index/distance/kernels.h"
#include "pictrieve/index/rows/lengths.h"

namespace pictrieve {

CodebookComparer::CodebookComparer(const CodebookRows& rows)
    : rows_(rows), table_(static_cast<size_t>(rows.codebook().m() * rows.codebook().points())) {}

void CodebookComparer::set_query(const Query& query) {
  query_ = query;
  offset_.reset();
  centre_products_.clear();
  rows_.codebook().products(query.values, table_.data());
  take_table(table_);
}

void CodebookComparer::set_row(int32_t row) {
  const int64_t dim = rows_.codebook().dim();
  as_query_.resize(static_cast<size_t>(dim));
  rows_.approximate(row, as_query_.data());
  const float squared = dot(as_query_.data(), as_query_.data(), dim);
  set_query({as_query_.data(), nullptr, squared, inverse_length(squared), row});
}

float CodebookComparer::centre_product(int64_t row) const {
  return dot(query_.values, rows_.centres()->row(rows_.centre_of(row)), rows_.codebook().dim());
}

void CodebookComparer::add_centres(const int32_t* rows, int64_t first, int64_t count, float* out) const {
  if (!rows_.centres()) return;
  if (offset_) {
    for (int64_t i = 0; i < count; ++i) out[i] += *offset_;
    return;
  }
  const Matrix<float>& centres = *rows_.centres();
  if (centre_products_.empty()) {
    centre_products_.resize(static_cast<size_t>(centres.rows()));
    dots(query_.values, {centres.data(), centres.cols(), nullptr, 0, centres.rows()}, centre_products_.data());
  }
  for (int64_t i = 0; i < count; ++i)
    out[i] += centre_products_[static_cast<size_t>(rows_.centre_of(rows ? int64_t{rows[i]} : first + i))];
}

void CodebookComparer::keys(std::span<const int32_t> rows, float* out) const {
  const auto count = static_cast<int64_t>(rows.size());
  products_of(rows, out);
  add_centres(rows.data(), 0, count, out);
  if (rows_.metric() == Metric::Cosine)
    for (int64_t i = 0; i < count; ++i) out[i] *= *rows_.terms(rows[static_cast<size_t>(i)]) * query_.inverse;
  if (rows_.metric() == Metric::L2)
    for (int64_t i = 0; i < count; ++i)
      out[i] = 2 * out[i] - (*rows_.terms(rows[static_cast<size_t>(i)]) + query_.squared);
}

void CodebookComparer::keys_of_block(int64_t first, int64_t count, float* out) const {
  products_of_block(first, count, out);
  add_centres(nullptr, first, count, out);
  if (rows_.metric() == Metric::Cosine) scale_keys(out, count, rows_.terms(first), query_.inverse);
  if (rows_.metric() == Metric::L2) distance_keys(out, count, rows_.terms(first), query_.squared);
}

float CodebookComparer::score(int32_t row) const {
  const Codebook& codebook = rows_.codebook();
  codes_.resize(static_cast<size_t>(codebook.m()));
  rows_.codes_of(row, codes_.data());
  double product = rows_.centres() ? centre_product(row) : 0;
  for (int64_t j = 0; j < codebook.m(); ++j)
    product += table_[static_cast<size_t>(j * codebook.points() + codes_[static_cast<size_t>(j)])];
  if (rows_.metric() == Metric::InnerProduct) return static_cast<float>(product);
  const double term = *rows_.terms(row);
  if (rows_.metric() == Metric::Cosine)
    return static_cast<float>(std::clamp(product * term * query_.inverse, -1.0, 1.0));
  return 0.0F - static_cast<float>(std::sqrt(std::max(0.0, term + query_.squared - 2 * product)));
}

}  // namespace pictrieve
