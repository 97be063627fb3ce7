#include "pictrieve/index/graph/neighbour_chooser.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>

namespace pictrieve {

void NeighbourChooser::add(int32_t from, std::span<const int32_t> rows, size_t known) {
  keys_.resize(std::max(keys_.size(), rows.size()));
  comparer_->set_row(from);
  comparer_->keys(rows, keys_.data());
  for (size_t i = 0; i < rows.size(); ++i) add(keys_[i], rows[i], i < known);
}

std::span<const int32_t> NeighbourChooser::choose(int32_t row, size_t count) {
  std::sort(candidates_.begin(), candidates_.end(), [row](const Choice& a, const Choice& b) {
    if (a.key != b.key) return a.key > b.key;
    const int32_t from_a = std::abs(a.row - row), from_b = std::abs(b.row - row);
    return from_a != from_b ? from_a < from_b : a.row < b.row;
  });
  kept_.clear();
  kept_unknown_.clear();
  float last_key = std::numeric_limits<float>::quiet_NaN();
  size_t equal = 0;
  for (const Choice& candidate : candidates_) {
    if (candidate.key == last_key && equal >= count / 2) continue;
    if (!is_diverse(candidate)) continue;
    equal = candidate.key == last_key ? equal + 1 : 1;
    last_key = candidate.key;
    kept_.push_back(candidate.row);
    if (!candidate.known) kept_unknown_.push_back(candidate.row);
    if (kept_.size() == count) break;
  }
  return kept_;
}

bool NeighbourChooser::is_diverse(const Choice& candidate) {
  const std::vector<int32_t>& kept = candidate.known ? kept_unknown_ : kept_;
  if (kept.empty()) return true;
  constexpr size_t kStep = 8;  // most are refused by one of the first rows
  std::array<float, kStep> keys;
  comparer_->set_row(candidate.row);
  for (size_t i = 0; i < kept.size(); i += kStep) {
    const std::span<const int32_t> rows{kept.data() + i, std::min(kStep, kept.size() - i)};
    comparer_->keys(rows, keys.data());
    for (size_t j = 0; j < rows.size(); ++j)
      if (keys[j] > candidate.key) return false;
  }
  return true;
}

}  // namespace pictrieve
