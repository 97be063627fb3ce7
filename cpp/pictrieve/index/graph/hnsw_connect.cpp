#include "pictrieve/index/graph/hnsw_connect.h"

#include <algorithm>

namespace pictrieve {

bool HnswConnect::is_complete() {
  for (int level = 0; level <= links_.max_level(); ++level) {
    start(level);
    if (std::any_of(rows_.begin(), rows_.end(), [&](int32_t row) { return is_cut_off(row, level); })) return false;
  }
  return true;
}

void HnswConnect::complete(HnswJournal* journal) {
  const auto comparer = source_.comparer();
  for (int level = 0; level <= links_.max_level(); ++level) {
    start(level);
    for (const int32_t row : rows_) {
      if (!is_cut_off(row, level)) continue;
      lead_to(row, level, *comparer, journal);
      spread(row, level);
    }
  }
}

void HnswConnect::start(int level) {
  reached_.assign(static_cast<size_t>(links_.rows()), 0);
  spread(links_.entry(), level);
}

void HnswConnect::spread(int32_t from, int level) {
  reached_[static_cast<size_t>(from)] = 1;
  waiting_.assign(1, from);
  while (!waiting_.empty()) {
    const int32_t row = waiting_.back();
    waiting_.pop_back();
    for (const int32_t link : links_.of(row, level)) {
      if (link < 0) break;
      if (reached_[static_cast<size_t>(link)]) continue;
      reached_[static_cast<size_t>(link)] = 1;
      waiting_.push_back(link);
    }
  }
}

/// Links to a row from the nearest one with room. Without any, the nearest gives up its last link, which the row takes
/// over in place of its own last: nothing that could be reached is lost.
void HnswConnect::lead_to(int32_t row, int level, Comparer& comparer, HnswJournal* journal) {
  constexpr int64_t kNear = 64;
  comparer.set_row(row);
  const Candidate top = top_of(comparer, links_);
  walk_level(comparer, LevelLinks{links_, level}, {&top, 1}, kNear, space_);
  if (space_.pool.size() == 0) return;  // keys of rows from a forged file may be NaN
  int32_t from = space_.pool.row(0);
  for (int64_t i = space_.pool.size() - 1; i >= 0; --i)
    if (links_.of(space_.pool.row(i), level).back() < 0) from = space_.pool.row(i);
  if (journal) {
    journal->note(links_, from);
    journal->note(links_, row);
  }
  const auto list = links_.of(from, level), own = links_.of(row, level);
  const auto end = std::find(list.begin(), list.end(), -1);
  if (end != list.end()) {
    *end = row;
    return;
  }
  const auto own_end = std::find(own.begin(), own.end(), -1);
  *(own_end == own.end() ? own.end() - 1 : own_end) = list.back();
  list.back() = row;
  if (level > 0) return;
  links_.set_known_diverse(from, 0);
  links_.set_known_diverse(row, 0);
}

}  // namespace pictrieve
