// Which row an id lives in.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace pictrieve {

/// Open addressing with linear probing, at most half full. Erased places are refilled by moving later entries back, so
/// there are no tombstones to collect.
class IdMap {
 public:
  static constexpr int32_t kAbsent = -1;

  void reserve(int64_t count) {
    const size_t wanted = std::bit_ceil(static_cast<size_t>(2 * count + 2));
    if (wanted > slots_.size()) rehash(wanted);
  }

  int32_t find(int64_t id) const {
    if (slots_.empty()) return kAbsent;
    for (size_t i = home(id);; i = next(i))
      if (slots_[i].row == kAbsent || slots_[i].id == id) return slots_[i].row;
  }

  /// Sets the row of an id and returns the row it had, or kAbsent.
  int32_t exchange(int64_t id, int32_t row) {
    reserve(count_ + 1);
    size_t i = home(id);
    while (slots_[i].row != kAbsent && slots_[i].id != id) i = next(i);
    const int32_t before = slots_[i].row;
    slots_[i] = {id, row};
    count_ += before == kAbsent;
    return before;
  }

  void erase(int64_t id) {
    if (find(id) == kAbsent) return;
    size_t hole = home(id);
    while (slots_[hole].id != id) hole = next(hole);
    for (size_t i = next(hole); slots_[i].row != kAbsent; i = next(i)) {
      const size_t distance_to_home = (i - home(slots_[i].id)) & (slots_.size() - 1);
      if (distance_to_home < ((i - hole) & (slots_.size() - 1))) continue;  // may not move before its home
      slots_[hole] = slots_[i];
      hole = i;
    }
    slots_[hole].row = kAbsent;
    --count_;
  }

  int64_t size() const { return count_; }

 private:
  struct Slot {
    int64_t id = 0;
    int32_t row = kAbsent;
  };

  size_t home(int64_t id) const {
    // The top bits of a product with the golden ratio spread runs of ids (Knuth, vol. 3, 6.4).
    return (static_cast<uint64_t>(id) * 0x9E3779B97F4A7C15U) >> shift_;
  }
  size_t next(size_t i) const { return (i + 1) & (slots_.size() - 1); }

  void rehash(size_t places) {
    std::vector<Slot> old(places);
    old.swap(slots_);
    shift_ = 64 - std::countr_zero(places);
    for (const Slot& slot : old) {
      if (slot.row == kAbsent) continue;
      size_t i = home(slot.id);
      while (slots_[i].row != kAbsent) i = next(i);
      slots_[i] = slot;
    }
  }

  std::vector<Slot> slots_;
  int shift_ = 63;
  int64_t count_ = 0;
};

}  // namespace pictrieve
