// Rows on their way to a result.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace pictrieve {

struct Candidate {
  float key;
  int32_t row;
};

/// Keeps every row that may belong to the best `count` once its key, known only up to a slack, is computed exactly.
/// Rows are collected in any order; now and then those that cannot win any more are dropped.
class CandidateBuffer {
 public:
  /// Keys are wrong by at most `absolute + relative * |key|`. Nothing below `floor` is of interest.
  CandidateBuffer(int64_t count, float floor, float absolute, float relative)
      : count_(static_cast<size_t>(count)), absolute_(2 * absolute), relative_(2 * relative) {
    floor_ = lowered(floor);
    limit_ = std::max<size_t>(2 * std::min<size_t>(count_, kLargestFirstLimit), 256);
  }

  /// Keys below this are not worth pushing.
  float floor() const { return floor_; }

  void push(float key, int32_t row) {
    if (!(key >= floor_)) return;  // also where key is NaN
    kept_.push_back({key, row});
    if (kept_.size() >= limit_) prune();
  }

  void merge(const CandidateBuffer& other) {
    for (const Candidate& candidate : other.kept_) push(candidate.key, candidate.row);
  }

  const std::vector<Candidate>& finish() {
    prune();
    return kept_;
  }

 private:
  static constexpr size_t kLargestFirstLimit = size_t{1} << 20;

  float lowered(float key) const { return std::isfinite(key) ? key - absolute_ - relative_ * std::abs(key) : key; }

  void prune() {
    if (kept_.size() > count_ && count_ > 0) {
      const auto last = kept_.begin() + static_cast<std::ptrdiff_t>(count_) - 1;
      std::nth_element(kept_.begin(), last, kept_.end(), [](Candidate a, Candidate b) { return a.key > b.key; });
      floor_ = std::max(floor_, lowered(last->key));
      std::erase_if(kept_, [this](Candidate candidate) { return candidate.key < floor_; });
    }
    limit_ = std::max(limit_, 2 * kept_.size());
  }

  size_t count_;
  float absolute_;
  float relative_;
  float floor_;
  size_t limit_;
  std::vector<Candidate> kept_;
};

}  // namespace pictrieve
