#include "pictrieve/index/graph_codes.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <vector>

#include "pictrieve/index/distance/int8_kernels.h"
#include "pictrieve/index/rows/float_rows.h"
#include "pictrieve/index/rows/int8_rows.h"
#include "pictrieve/index/scan/scan.h"

namespace pictrieve {
namespace {

constexpr int64_t kFewestRows = 5'000;  // below, all is quick
constexpr int64_t kFewestNumbers = 64;  // in a row: shorter ones fit into few cache lines as they are
constexpr int64_t kSampled = 32;
constexpr int64_t kNeighbours = 10;
constexpr double kEnough = 0.95;  // of the true neighbours

std::vector<Query> sample_of(const FloatRows& rows) {
  std::vector<Query> queries;
  for (int64_t i = 0; i < kSampled; ++i) {
    const int64_t row = rows.size() * i / kSampled;
    queries.push_back({rows.row(row), nullptr, rows.lengths().squared(row), rows.lengths().inverse(row), i});
  }
  return queries;
}

std::vector<std::vector<int32_t>> neighbours(const Rows& rows, const std::vector<Query>& queries, int64_t dim) {
  std::vector<std::vector<int32_t>> found(queries.size());
  Selection all;
  all.count = rows.size();
  scan(rows, dim, all, queries, {kNeighbours},
       [&](const Query& query, std::vector<Candidate> candidates) {
         const auto last = candidates.begin() + std::min<std::ptrdiff_t>(kNeighbours, std::ssize(candidates));
         std::partial_sort(candidates.begin(), last, candidates.end(),
                           [](const Candidate& a, const Candidate& b) { return a.key > b.key; });
         auto& near = found[static_cast<size_t>(query.number)];
         std::transform(candidates.begin(), last, std::back_inserter(near), [](const Candidate& c) { return c.row; });
         std::sort(near.begin(), near.end());
       },
       {});
  return found;
}

bool tell_apart(const Rows& codes, const FloatRows& rows) {
  const std::vector<Query> queries = sample_of(rows);
  const auto by_codes = neighbours(codes, queries, rows.dim()), by_rows = neighbours(rows, queries, rows.dim());
  std::vector<int32_t> both;
  for (size_t i = 0; i < queries.size(); ++i)
    std::set_intersection(by_codes[i].begin(), by_codes[i].end(), by_rows[i].begin(), by_rows[i].end(),
                          std::back_inserter(both));
  return static_cast<double>(both.size()) >= kEnough * static_cast<double>(kSampled * kNeighbours);
}

}  // namespace

std::unique_ptr<Rows> codes_to_walk(const Rows& rows, int64_t rows_before) {
  const auto* floats = dynamic_cast<const FloatRows*>(&rows);
  if (!floats || !is_product(rows.metric()) || floats->dim() < kFewestNumbers || floats->dim() > kMaxInt8Dim) return {};
  const auto doublings = [](int64_t count) { return std::bit_width(static_cast<uint64_t>(count / kFewestRows)); };
  if (doublings(rows.size()) == doublings(rows_before)) return {};
  auto codes = std::make_unique<Int8Rows>(floats->dim(), rows.metric());
  codes->append(MatrixView<const float>{floats->row(0), rows.size(), floats->dim()});
  if (!tell_apart(*codes, *floats)) return {};
  return codes;
}

}  // namespace pictrieve
