#include "pictrieve/evaluate/ahead_counter.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <numeric>

namespace pictrieve {
namespace {

constexpr size_t kFewestBuckets = 1024, kMostBuckets = size_t{1} << 17, kBucketsPerItem = 32;
constexpr float kLeastRange = 1e-5F;  // of scores, relative to them: equal ones have none
constexpr size_t kWalk = 8;           // in a bucket of more relevant items than these a binary search is faster

inline int32_t place_of(float score, float top, float scale, float last) {
  const float place = (top - score) * scale;
  return static_cast<int32_t>(std::min(std::max(0.0F, place), last));  // in this order NaN, of infinities, gives 0
}

}  // namespace

void AheadCounter::start(const ScoreSource& source, int64_t query, std::span<const int32_t> relevant, TieRule ties) {
  source_ = &source, query_ = query, ties_ = ties, tolerance_ = source.tolerance(query);
  std::vector<float> given(relevant.size());
  source.exact(query, relevant.data(), static_cast<int64_t>(relevant.size()), given.data());
  std::vector<uint32_t> order(relevant.size());
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::sort(order, [&](uint32_t a, uint32_t b) {
    return given[a] != given[b] ? given[a] > given[b] : comes_before(relevant[a], relevant[b]);
  });
  ids_.clear(), scores_.clear();
  for (const uint32_t i : order) ids_.push_back(relevant[i]), scores_.push_back(given[i]);
  ahead_.assign(size() + 1, 0);
  if (!relevant.empty()) divide();
}

/// Bucket 0 is for what is ahead of all relevant items, the last one for what is behind.
void AheadCounter::divide() {
  const size_t buckets = std::clamp(std::bit_ceil(kBucketsPerItem * size()), kFewestBuckets, kMostBuckets);
  const float margin = 2 * tolerance_;  // twice: sums below round too
  const float best = scores_.front() + margin, worst = scores_.back() - margin;
  const bool finite = std::isfinite(best - worst);
  const float range = std::max({best - worst, kLeastRange * std::max(std::abs(best), std::abs(worst)), 1e-30F});
  scale_ = finite ? static_cast<float>(buckets - 4) / range : 0.0F;
  top_ = finite ? best + 1.5F / scale_ : 0.0F;
  looked_.assign(buckets, finite ? 0 : 1);  // infinite scores cannot be divided: all are in bucket 0
  counts_.assign(buckets, 0);
  starts_.assign(buckets + 1, static_cast<uint32_t>(size()));
  size_t next = 0;
  for (size_t i = 0; i < size(); ++i) {
    const auto own = static_cast<size_t>(bucket_of(scores_[i]));
    for (; next <= own; ++next) starts_[next] = static_cast<uint32_t>(i);
    const auto first = bucket_of(scores_[i] + margin), last = bucket_of(scores_[i] - margin);
    std::fill(looked_.begin() + first, looked_.begin() + last + 1, 1);
  }
}

/// Never rises with the score.
int32_t AheadCounter::bucket_of(float score) const {
  return place_of(score, top_, scale_, static_cast<float>(looked_.size() - 1));
}

/// How many relevant items have a better score.
size_t AheadCounter::first_not_above(float score, size_t bucket) const {
  size_t at = starts_[bucket];
  const size_t end = starts_[bucket + 1];
  if (end - at > kWalk) {
    const auto found = std::lower_bound(scores_.begin() + static_cast<int64_t>(at),
                                        scores_.begin() + static_cast<int64_t>(end), score, std::greater<>());
    return static_cast<size_t>(found - scores_.begin());
  }
  while (at < end && scores_[at] > score) ++at;
  return at;
}

/// Whether rounding could have moved a score past that of a relevant item beside it; NaN: equal infinite scores.
bool AheadCounter::is_near(float score, size_t at) const {
  return (at < size() && !(score - scores_[at] > tolerance_)) || (at > 0 && !(scores_[at - 1] - score > tolerance_));
}

/// The first relevant item that an item with this exact score is ahead of; its own place for a relevant one.
size_t AheadCounter::place(float score, int32_t item) const {
  const auto begin = ids_.begin();
  const auto first = static_cast<int64_t>(first_not_above(score, static_cast<size_t>(bucket_of(score))));
  const int64_t end =
      std::upper_bound(scores_.begin() + first, scores_.end(), score, std::greater<>()) - scores_.begin();
  const auto before = [this](int32_t a, int32_t b) { return comes_before(a, b); };
  const int64_t own = std::lower_bound(begin + first, begin + end, item, before) - begin;
  const bool relevant = own < end && begin[own] == item;
  if (!relevant && ties_ == TieRule::RelevantFirst) return static_cast<size_t>(end);
  if (!relevant && ties_ == TieRule::RelevantLast) return static_cast<size_t>(first);
  return static_cast<size_t>(own);
}

void AheadCounter::count(const float* scores, int64_t first, int64_t count, CountingSpace& space) {
  if (ids_.empty()) return;
  space.buckets.resize(static_cast<size_t>(count));
  int32_t* buckets = space.buckets.data();
  const float top = top_, scale = scale_, last = static_cast<float>(looked_.size() - 1);
  for (int64_t i = 0; i < count; ++i) buckets[i] = place_of(scores[i], top, scale, last);
  space.near.clear();
  uint32_t* counts = counts_.data();
  const uint8_t* looked = looked_.data();
  for (int64_t i = 0; i < count; ++i) {
    const auto bucket = static_cast<size_t>(buckets[i]);
    ++counts[bucket];
    if (!looked[bucket]) continue;
    const size_t at = first_not_above(scores[i], bucket);
    if (is_near(scores[i], at))
      space.near.push_back(static_cast<int32_t>(first + i));
    else
      ++ahead_[at];
  }
  space.scores.resize(space.near.size());
  source_->exact(query_, space.near.data(), static_cast<int64_t>(space.near.size()), space.scores.data());
  for (size_t i = 0; i < space.near.size(); ++i) ++ahead_[place(space.scores[i], space.near[i])];
}

void AheadCounter::leave_out(int32_t item) {
  if (ids_.empty()) return;
  float score = 0;
  source_->exact(query_, &item, 1, &score);
  --ahead_[place(score, item)];
}

std::vector<int64_t> AheadCounter::ranks() const {
  std::vector<int64_t> ranks(ahead_.begin(), ahead_.end());
  for (size_t bucket = 0; bucket < counts_.size() && !ids_.empty(); ++bucket)
    if (!looked_[bucket]) ranks[starts_[bucket]] += counts_[bucket];
  ranks.pop_back();  // ahead of none
  std::partial_sum(ranks.begin(), ranks.end(), ranks.begin());
  for (int64_t& rank : ranks) --rank;  // the item itself was counted
  return ranks;
}

}  // namespace pictrieve
