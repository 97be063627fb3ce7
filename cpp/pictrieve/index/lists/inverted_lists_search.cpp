#include <algorithm>
#include <array>
#include <bit>
#include <functional>
#include <limits>

#include "pictrieve/index/distance/blas.h"
#include "pictrieve/index/distance/kernels.h"
#include "pictrieve/index/lists/inverted_lists.h"

namespace pictrieve {
namespace {

constexpr int64_t kBlock = 512;  // rows whose keys are computed before any is looked at

constexpr float kNoFloor = -std::numeric_limits<float>::infinity();

/// The count-th largest of the maxima of groups of keys: below the count-th largest key, but not by much.
float floor_for(const std::vector<float>& keys, int64_t count) {
  const auto groups = static_cast<size_t>(4 * count);
  if (groups > keys.size()) return kNoFloor;
  std::vector<float> largest(groups, kNoFloor);
  for (size_t first = 0; first < keys.size(); first += groups)
    for (size_t i = 0, end = std::min(groups, keys.size() - first); i < end; ++i)
      largest[i] = std::max(largest[i], keys[first + i]);
  const auto last = largest.begin() + static_cast<std::ptrdiff_t>(count) - 1;
  std::nth_element(largest.begin(), last, largest.end(), std::greater<>());
  return *last;
}

}  // namespace

std::vector<float> InvertedLists::coarse(std::span<const Query> queries) const {
  if (graph_ || queries.size() < 2) return {};
  Matrix<float> packed(static_cast<int64_t>(queries.size()), dim_);
  for (size_t i = 0; i < queries.size(); ++i) std::copy_n(queries[i].values, dim_, packed.row(static_cast<int64_t>(i)));
  std::vector<float> products(queries.size() * ranges_.size());
  const int m = static_cast<int>(lists()), n = static_cast<int>(packed.rows()), k = static_cast<int>(dim_);
  const float one = 1, zero = 0;
  sgemm_("T", "N", &m, &n, &k, &one, centroids_->data(), &k, packed.data(), &k, &zero, products.data(), &m);
  return products;
}

/// Those that are among the nearest `count` once products are computed as nearest_lists() does: with a margin for what
/// BLAS rounds otherwise, since a result may not depend on the queries it came with.
std::vector<Candidate> InvertedLists::compare_with_all(const Query& query, int64_t count) const {
  std::vector<float> keys(ranges_.size());
  if (query.coarse)
    std::copy_n(query.coarse, keys.size(), keys.data());
  else
    dots(query.values, {centroids_->data(), dim_, nullptr, 0, lists()}, keys.data());
  if (!by_products()) distance_keys(keys.data(), lists(), squared_.data(), query.squared);
  const Metric metric = by_products() ? Metric::InnerProduct : Metric::L2;
  const KeySlack slack = rounding_slack(metric, dim_, query, longest_);
  CandidateBuffer buffer(count, floor_for(keys, count), slack.absolute, slack.relative);
  std::vector<int32_t> positions(static_cast<size_t>(kBlock));
  for (int64_t first = 0; first < lists(); first += kBlock) {
    const int64_t rows = std::min(kBlock, lists() - first);
    const int64_t kept = positions_at_least(keys.data() + first, rows, buffer.floor(), positions.data());
    for (int64_t i = 0; i < kept; ++i) {
      const int64_t list = first + positions[static_cast<size_t>(i)];
      buffer.push(keys[static_cast<size_t>(list)], static_cast<int32_t>(list));
    }
  }
  return buffer.finish();
}

std::vector<InvertedLists::Near> InvertedLists::nearest_lists(const Query& query, int64_t count) const {
  const bool all = count >= lists();
  const std::vector<Candidate> likely = graph_ && !all ? walk(query, count) : compare_with_all(query, count);
  std::vector<int32_t> numbers;
  for (const Candidate& candidate : likely) numbers.push_back(candidate.row);
  std::vector<float> products(numbers.size());
  dots(query.values, {centroids_->data(), dim_, numbers.data(), 0, static_cast<int64_t>(numbers.size())},
       products.data());
  std::vector<Near> near;
  for (size_t i = 0; i < numbers.size(); ++i) {
    const float key = by_products() ? products[i] : 2 * products[i] - squared_[static_cast<size_t>(numbers[i])];
    near.push_back({key, numbers[i], products[i]});
  }
  const auto kept = near.begin() + std::min<std::ptrdiff_t>(count, static_cast<std::ptrdiff_t>(near.size()));
  std::partial_sort(near.begin(), kept, near.end(),
                    [](const Near& a, const Near& b) { return a.key != b.key ? a.key > b.key : a.list < b.list; });
  near.erase(kept, near.end());
  return near;
}

void InvertedLists::visit(const Near& near, Comparer& comparer, const uint8_t* allowed, CandidateBuffer& found) const {
  std::array<float, kBlock> keys;
  std::array<int32_t, kBlock> positions;
  comparer.set_offset(near.product);
  for (const Range& range : ranges_[static_cast<size_t>(near.list)])
    for (int32_t first = range.begin; first < range.end; first += static_cast<int32_t>(kBlock)) {
      const int64_t count = std::min<int64_t>(kBlock, range.end - first);
      comparer.keys_of_block(first, count, keys.data());
      const int64_t kept = positions_at_least(keys.data(), count, found.floor(), positions.data());
      for (int64_t i = 0; i < kept; ++i) {
        const int32_t position = positions[static_cast<size_t>(i)];
        if (!allowed || allowed[first + position]) found.push(keys[static_cast<size_t>(position)], first + position);
      }
    }
}

/// Where the nearest lists hold too few rows that are allowed, the others follow in order of their distance.
std::optional<std::vector<Candidate>> InvertedLists::search(Comparer& comparer, const Query& query,
                                                            const SearchEffort& effort, const uint8_t* allowed) const {
  if (rows_ == 0) return std::vector<Candidate>{};
  CandidateBuffer found(effort.count, kNoFloor, effort.slack.absolute, effort.slack.relative);
  const std::vector<Near> nearest = nearest_lists(query, std::min(effort.nprobe, lists()));
  for (size_t i = 0; i < nearest.size(); ++i) {
    if (i + 1 < nearest.size() && !ranges_[static_cast<size_t>(nearest[i + 1].list)].empty())
      comparer.prefetch(ranges_[static_cast<size_t>(nearest[i + 1].list)].front().begin);
    visit(nearest[i], comparer, allowed, found);
    if (std::has_single_bit(i + 1)) found.finish();  // an early floor keeps most rows of later lists out
  }
  const auto enough = [&] { return static_cast<int64_t>(found.finish().size()) >= effort.least; };
  if (!enough()) {
    std::vector<uint8_t> visited(ranges_.size(), 0);
    for (const Near& near : nearest) visited[static_cast<size_t>(near.list)] = 1;
    for (const Near& near : nearest_lists(query, lists())) {
      if (visited[static_cast<size_t>(near.list)]) continue;
      visit(near, comparer, allowed, found);
      if (enough()) break;
    }
  }
  return found.finish();
}

}  // namespace pictrieve
