#include "pictrieve/index/rows/rough_rows.h"

#include <algorithm>
#include <cmath>
#include <new>

#include "pictrieve/base/linalg.h"
#include "pictrieve/index/distance/int8_kernels.h"
#include "pictrieve/index/rows/float_rows.h"

namespace pictrieve {
namespace {

constexpr int64_t kEnoughQueries = 256;  // encoding takes as long as comparing some sixty queries by BLAS
constexpr int64_t kMeanOf = 4096;        // rows at most

/// What a row is multiplied by before it is encoded.
float factor_of(const FloatRows& rows, int64_t row) {
  return rows.metric() == Metric::Cosine ? rows.lengths().inverse(row) : 1.0F;
}

std::vector<float> direction_of(const FloatRows& rows) {
  const int64_t count = std::min(rows.size(), kMeanOf);
  std::vector<double> sum(static_cast<size_t>(rows.dim()));
  for (int64_t i = 0; i < count; ++i) {
    const int64_t row = rows.size() * i / count;
    const double factor = factor_of(rows, row);
    for (size_t j = 0; j < sum.size(); ++j) sum[j] += factor * rows.row(row)[j];
  }
  double squared = 0;
  for (const double value : sum) squared += value * value;
  const double inverse = squared > 0 ? 1 / std::sqrt(squared) : 0;
  std::vector<float> direction;
  for (const double value : sum) direction.push_back(static_cast<float>(value * inverse));
  return direction;
}

}  // namespace

RoughRows::RoughRows(const FloatRows& rows)
    : codes_(rough_width(rows.dim())), direction_(direction_of(rows)), rows_of_direction_(rows.size()) {}

void RoughRows::grow(const FloatRows& rows, const Monitor& monitor) {
  const int64_t first = size();
  rows_.resize(static_cast<size_t>(rows.size()));
  codes_.extend(rows.size() - first + kTileRows);
  try {
    parallel_for(
        rows.size() - first, 1024,
        [&](int64_t begin, int64_t end, const Worker& worker) {
          std::vector<float> rest(direction_.size()), decoded(direction_.size());
          for (int64_t i = begin; i < end && !worker.should_stop(); ++i) encode(rows, first + i, rest, decoded);
        },
        monitor);
  } catch (...) {
    truncate(first);
    throw;
  }
  codes_.truncate(rows.size());
}

void RoughRows::truncate(int64_t rows) {
  codes_.truncate(rows);
  rows_.resize(std::min(rows_.size(), static_cast<size_t>(rows)));
}

void RoughRows::encode(const FloatRows& rows, int64_t row, std::vector<float>& rest, std::vector<float>& decoded) {
  const int64_t dim = rows.dim();
  const float* values = rows.row(row);
  const float factor = factor_of(rows, row);
  const float along = factor * dot(values, direction_.data(), dim);
  for (size_t j = 0; j < rest.size(); ++j) rest[j] = factor * values[j] - along * direction_[j];
  uint8_t* codes = codes_.mutable_row(row);
  auto* signed_codes = reinterpret_cast<int8_t*>(codes);
  const float scale = encode_row(rest.data(), dim, signed_codes);
  decode_row(signed_codes, dim, scale, decoded.data());
  for (int64_t j = 0; j < dim; ++j) codes[j] ^= 0x80;
  std::fill(codes + dim, codes + width(), uint8_t{0});
  for (size_t j = 0; j < rest.size(); ++j) rest[j] -= decoded[j];
  const float base = rows.metric() == Metric::L2 ? -rows.lengths().squared(row) / 2 : 0.0F;
  rows_[static_cast<size_t>(row)] = {scale, along, base, std::sqrt(dot(decoded.data(), decoded.data(), dim)),
                                     std::sqrt(dot(rest.data(), rest.data(), dim))};
}

// Who has the codes holds the rows' lock for reading, so they grow only before the first search after a change.
const RoughRows* RoughCopy::codes(const FloatRows& rows, int64_t queries, const Monitor& monitor) const {
  const std::lock_guard alone(mutex_);
  queries_ = std::min(queries_ + queries, kEnoughQueries);
  if (queries_ < kEnoughQueries) return nullptr;
  if (codes_ && codes_->size() == rows.size()) return codes_.get();
  try {
    if (!codes_ || rows.size() >= 2 * codes_->rows_of_direction()) codes_ = std::make_unique<RoughRows>(rows);
    codes_->grow(rows, monitor);
  } catch (const std::bad_alloc&) {  // searches go on without
    codes_.reset();
    queries_ = 0;
  }
  return codes_.get();
}

int64_t RoughCopy::bytes() const {
  const std::lock_guard alone(mutex_);
  return codes_ ? codes_->bytes() : 0;
}

void RoughCopy::truncate(int64_t rows) {
  if (codes_) codes_->truncate(rows);
}

void RoughCopy::drop() { codes_.reset(); }

}  // namespace pictrieve
