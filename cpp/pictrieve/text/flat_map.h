// Whole numbers by 64-bit keys, for tables that are filled once and then only read.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace pictrieve {

/// Open addressing in a power of two of slots, at most half full. Values are not negative.
class FlatMap {
 public:
  struct Value {
    int32_t first = -1;  ///< -1: the key is not there
    int32_t second = 0;
  };

  void reserve(size_t entries) {
    slots_.assign(std::bit_ceil(2 * entries + 2), Slot{0, {}});
    shift_ = 64 - std::countr_zero(slots_.size());
  }

  /// Keeps the value that was there before.
  void insert(uint64_t key, Value value) {
    if (2 * (size_ + 1) > slots_.size()) grow();
    Slot& slot = slots_[place(key)];
    if (slot.value.first >= 0) return;
    slot = {key, value};
    ++size_;
  }

  Value find(uint64_t key) const {
    if (slots_.empty()) return {};
    return slots_[place(key)].value;
  }

 private:
  struct Slot {
    uint64_t key;
    Value value;
  };

  /// The slot of the key, or the empty one where it belongs.
  size_t place(uint64_t key) const {
    size_t slot = (key * 0x9E3779B97F4A7C15) >> shift_;
    while (slots_[slot].value.first >= 0 && slots_[slot].key != key) slot = (slot + 1) & (slots_.size() - 1);
    return slot;
  }

  void grow() {
    const std::vector<Slot> old = std::move(slots_);
    reserve(std::max<size_t>(8, 2 * size_));
    for (const Slot& slot : old)
      if (slot.value.first >= 0) slots_[place(slot.key)] = slot;
  }

  std::vector<Slot> slots_;
  size_t size_ = 0;
  int shift_ = 0;
};

}  // namespace pictrieve
