// Private: what a graph walk has found and where it goes on.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "pictrieve/index/scan/candidates.h"

namespace pictrieve {

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
