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

/// The best `capacity` candidates of a graph walk in order, with a mark on those whose links were followed.
class SortedPool {
 public:
  void reset(int64_t capacity) {
    entries_.resize(static_cast<size_t>(capacity) + 1);
    capacity_ = capacity;
    size_ = next_ = 0;
  }

  int64_t size() const { return size_; }
  bool full() const { return size_ == capacity_; }
  float key(int64_t i) const { return entries_[static_cast<size_t>(i)].key; }
  int32_t row(int64_t i) const {
    const int32_t row = entries_[static_cast<size_t>(i)].row;
    return row < 0 ? ~row : row;
  }

  /// Keys up to this do not enter.
  float worst() const { return full() ? key(size_ - 1) : -std::numeric_limits<float>::infinity(); }

  void insert(float key, int32_t row) {
    if (!(key > worst())) return;
    Candidate* begin = entries_.data();
    Candidate* end = begin + size_;
    Candidate* place = std::upper_bound(begin, end, key, [](float k, const Candidate& c) { return k > c.key; });
    std::copy_backward(place, end, end + 1);
    *place = {key, row};
    next_ = std::min<int64_t>(next_, place - begin);
    size_ = std::min(size_ + 1, capacity_);
  }

  /// The best row whose links were not followed yet, now marked; -1 when there is none.
  int32_t take_next() {
    while (next_ < size_ && entries_[static_cast<size_t>(next_)].row < 0) ++next_;
    if (next_ == size_) return -1;
    int32_t& row = entries_[static_cast<size_t>(next_++)].row;
    return ~(row = ~row);
  }

  /// What take_next would give now, unmarked.
  int32_t peek_next() const {
    for (int64_t i = next_; i < size_; ++i)
      if (entries_[static_cast<size_t>(i)].row >= 0) return entries_[static_cast<size_t>(i)].row;
    return -1;
  }

 private:
  std::vector<Candidate> entries_;
  int64_t capacity_ = 0;
  int64_t size_ = 0;
  int64_t next_ = 0;
};

}  // namespace pictrieve
