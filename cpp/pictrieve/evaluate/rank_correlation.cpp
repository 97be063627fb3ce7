#include "pictrieve/evaluate/rank_correlation.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "pictrieve/base/error.h"

namespace pictrieve {
namespace {

/// Pairs within runs of equals, of `count` observations in order.
template <typename Equal>
int64_t equal_pairs(int64_t count, const Equal& same) {
  int64_t pairs = 0, run = 0;
  for (int64_t i = 1; i < count; ++i) {
    run = same(i - 1, i) ? run + 1 : 0;
    pairs += run;
  }
  return pairs;
}

/// Sorts, and counts the pairs that stood in falling order.
int64_t sort_and_count(std::span<double> values, std::span<double> space) {
  if (values.size() < 2) return 0;
  const size_t half = values.size() / 2;
  int64_t falling = sort_and_count(values.first(half), space) + sort_and_count(values.subspan(half), space);
  size_t left = 0, right = half, out = 0;
  while (left < half && right < values.size()) {
    if (values[right] < values[left]) {
      falling += static_cast<int64_t>(half - left);
      space[out++] = values[right++];
    } else {
      space[out++] = values[left++];
    }
  }
  std::copy(values.begin() + static_cast<int64_t>(left), values.begin() + static_cast<int64_t>(half),
            values.begin() + static_cast<int64_t>(out));
  std::ranges::copy(space.first(out), values.begin());
  return falling;
}

}  // namespace

PairCounts count_pairs(std::span<const double> x, std::span<const double> y) {
  require(x.size() == y.size(), "y: expected ", x.size(), " numbers like x, got ", y.size());
  const auto count = static_cast<int64_t>(x.size());
  std::vector<size_t> order(x.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::sort(order, [&](size_t a, size_t b) { return x[a] != x[b] ? x[a] < x[b] : y[a] < y[b]; });
  const auto at = [&order](int64_t i) { return order[static_cast<size_t>(i)]; };
  PairCounts pairs;
  pairs.equal_x = equal_pairs(count, [&](int64_t i, int64_t j) { return x[at(i)] == x[at(j)]; });
  pairs.equal_both =
      equal_pairs(count, [&](int64_t i, int64_t j) { return x[at(i)] == x[at(j)] && y[at(i)] == y[at(j)]; });
  std::vector<double> values(y.size()), space(y.size());
  std::ranges::transform(order, values.begin(), [y](size_t i) { return y[i]; });
  pairs.discordant = sort_and_count(values, space);
  pairs.equal_y = equal_pairs(
      count, [&](int64_t i, int64_t j) { return values[static_cast<size_t>(i)] == values[static_cast<size_t>(j)]; });
  return pairs;
}

}  // namespace pictrieve
