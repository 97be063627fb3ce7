// Ids of words met before: a few thousand words make up most of any text.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace pictrieve {

/// Keeps short words with few ids, one to a slot; a newcomer replaces whoever has its slot. Each entry is one cache
/// line.
class WordCache {
 public:
  struct Entry {
    char text[30];
    uint8_t size = 0;
    uint8_t count = 0;  ///< 0: the slot is empty
    int32_t ids[8];
  };

  /// The entry of a word, nullptr where it is not kept.
  const Entry* find(std::string_view word) const {
    if (slots_.empty() || word.size() > sizeof(Entry::text)) return nullptr;
    const Entry& entry = slots_[slot_of(word)];
    const bool same = entry.count > 0 && std::string_view(entry.text, entry.size) == word;
    return same ? &entry : nullptr;
  }

  void keep(std::string_view word, std::span<const int32_t> ids) {
    if (word.size() > sizeof(Entry::text) || ids.empty() || ids.size() > std::size(Entry{}.ids)) return;
    if (slots_.empty()) slots_.resize(size_t{1} << kBits);
    Entry& entry = slots_[slot_of(word)];
    std::memcpy(entry.text, word.data(), word.size());
    std::memcpy(entry.ids, ids.data(), ids.size_bytes());
    entry.size = static_cast<uint8_t>(word.size());
    entry.count = static_cast<uint8_t>(ids.size());
  }

 private:
  static constexpr int kBits = 14;

  static size_t slot_of(std::string_view word) {
    uint64_t hash = word.size();
    while (word.size() >= 8) {
      uint64_t part = 0;
      std::memcpy(&part, word.data(), 8);
      hash = mixed(hash ^ part);
      word.remove_prefix(8);
    }
    uint64_t rest = 0;
    std::memcpy(&rest, word.data(), word.size());
    return mixed(hash ^ rest) >> (64 - kBits);
  }
  static uint64_t mixed(uint64_t value) {
    value *= 0x9E3779B97F4A7C15;
    return (value ^ (value >> 32)) * 0xD6E8FEB86659FD93;
  }

  std::vector<Entry> slots_;
};

}  // namespace pictrieve
