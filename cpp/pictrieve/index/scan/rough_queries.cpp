#include "pictrieve/index/scan/rough_queries.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "pictrieve/base/linalg.h"

namespace pictrieve {

// Note [bound of rough products]: for any direction d, a row x = (x.d) d + x' and a query q = (q.d) d + q' have the
// product q.x = (q.d)(x.d) + q'.x'. Codes stand for x^ and q^ instead of x' and q'. Since
//   q'.x' = q^.x^ + (q' - q^).x^ + q'.(x' - x^),
// Cauchy and Schwarz bound the product by (q.d)(x.d) + q^.x^ + |q' - q^| |x^| + |q'| |x' - x^|, the second term being
// an exact product of integers times two scales. Bounds are in the unit of the query's scale. All else is float32: its
// sums in 8 lanes or more are off by dim / 8 + 16 roundings at most (Higham, Accuracy and Stability of Numerical
// Algorithms, 3.1), which floors are lowered by. Measured on sentence embeddings of 384 numbers, the codes' part of
// the bound is 1.5 % of the lengths' product: for the best 10 of 116,000, some 20 rows are compared by the rows
// themselves.

RoughQueries::RoughQueries(const FloatRows& rows, const RoughRows& rough, int limit, std::span<const Query> queries)
    : queries_(queries),
      metric_(rows.metric()),
      width_(rough.width()),
      longest_(metric_ == Metric::Cosine ? 1 : rows.lengths().longest()),
      rounding_(2 * std::numeric_limits<float>::epsilon() * static_cast<float>(rows.dim() / 8 + 16)) {
  const size_t padded = (queries.size() + kGroup - 1) / kGroup * kGroup;
  codes_.resize(padded * static_cast<size_t>(width_));
  start_.resize(padded);
  for (auto* values : {&unit_, &along_, &one_, &error_, &length_}) values->resize(padded);
  floor_.resize(padded, std::numeric_limits<float>::infinity());
  for (size_t i = 0; i < queries.size(); ++i) encode(rough, limit, i);
}

void RoughQueries::encode(const RoughRows& rough, int limit, size_t number) {
  const Query& query = queries_[number];
  const std::vector<float>& direction = rough.direction();
  const auto dim = static_cast<int64_t>(direction.size());
  const float along = dot(query.values, direction.data(), dim), length = std::sqrt(query.squared);
  std::vector<float> rest(direction.size());
  float largest = 0;
  for (size_t j = 0; j < rest.size(); ++j) {
    rest[j] = query.values[j] - along * direction[j];
    largest = std::max(largest, std::abs(rest[j]));
  }
  const float rest_length = std::sqrt(dot(rest.data(), rest.data(), dim));
  // Not so small a unit that what is divided by it could overflow: what it then leaves out is as small.
  constexpr float kLeast = 1e-6F;
  const float least = kLeast * (metric_ == Metric::L2 ? std::max(length, longest_) : length);
  const float unit = std::max({largest / static_cast<float>(limit), least, std::numeric_limits<float>::min()});
  const auto most = static_cast<float>(limit);
  int8_t* codes = codes_.data() + number / kGroup * kGroup * static_cast<size_t>(width_) + number % kGroup * 4;
  int32_t sum = 0;
  for (size_t j = 0; j < rest.size(); ++j) {
    const float code = std::clamp(std::nearbyint(rest[j] / unit), -most, most);
    codes[j / 4 * 4 * kGroup + j % 4] = static_cast<int8_t>(code);
    sum += static_cast<int32_t>(code);
    rest[j] -= unit * code;
  }
  start_[number] = -128 * sum;
  unit_[number] = unit;
  along_[number] = along / unit;
  one_[number] = 1 / unit;
  error_[number] = std::sqrt(dot(rest.data(), rest.data(), dim)) / unit;
  length_[number] = rest_length / unit;
  floor_[number] = -std::numeric_limits<float>::infinity();
}

RoughLanes RoughQueries::lanes(int64_t group) const {
  const int64_t i = group * kGroup;
  return {along_.data() + i, one_.data() + i, error_.data() + i, length_.data() + i, floor_.data() + i};
}

void RoughQueries::raise_floor(size_t query, float key) {
  const float length = std::sqrt(queries_[query].squared), inverse = queries_[query].inverse;
  if (metric_ == Metric::Cosine && inverse == 0) return;  // all keys are 0
  float product = key, rounding = rounding_ * length * longest_;
  if (metric_ == Metric::Cosine) product = key / inverse;
  if (metric_ == Metric::L2) {
    product = (key + queries_[query].squared) / 2;
    rounding = rounding_ * (length + longest_) * (length + longest_);
  }
  floor_[query] = std::max(floor_[query], (product - rounding) / unit_[query]);
}

}  // namespace pictrieve
