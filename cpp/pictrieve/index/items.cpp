#include "pictrieve/index/items.h"

#include <algorithm>
#include <numeric>

#include "pictrieve/base/error.h"

namespace pictrieve {

std::vector<int32_t> Items::by_addition() const {
  std::vector<int32_t> order;
  order.reserve(static_cast<size_t>(live()));
  for (int64_t row = 0; row < rows(); ++row)
    if (is_live(row)) order.push_back(static_cast<int32_t>(row));
  if (!sequence_.empty())
    std::sort(order.begin(), order.end(), [this](int32_t a, int32_t b) {
      return sequence_[static_cast<size_t>(a)] < sequence_[static_cast<size_t>(b)];
    });
  return order;
}

void Items::append(std::span<const int64_t> ids, std::span<const int32_t> order) {
  const size_t first = ids_.size();
  if (!order.empty() && sequence_.empty()) {
    sequence_.resize(first);
    std::iota(sequence_.begin(), sequence_.end(), int64_t{0});
    next_place_ = static_cast<int64_t>(first);
  }
  for (size_t i = 0; i < ids.size(); ++i) {
    const size_t from = order.empty() ? i : static_cast<size_t>(order[i]);
    ids_.push_back(ids[from]);
    if (!sequence_.empty() || !order.empty()) sequence_.push_back(next_place_ + static_cast<int64_t>(from));
  }
  next_place_ += static_cast<int64_t>(ids.size());
  live_.resize(ids_.size(), 0);
  row_of_.reserve(rows());
}

void Items::commit(int64_t first) {
  for (size_t row = static_cast<size_t>(first); row < ids_.size(); ++row) {
    const int32_t before = row_of_.exchange(ids_[row], static_cast<int32_t>(row));
    if (before != IdMap::kAbsent) live_[static_cast<size_t>(before)] = 0;
    live_[row] = 1;
    count_id(ids_[row]);
  }
}

void Items::truncate(int64_t rows) {
  const size_t count = std::min(ids_.size(), static_cast<size_t>(rows));
  ids_.resize(count);
  live_.resize(count);
  if (sequence_.size() > count) sequence_.resize(count);
}

bool Items::remove(int64_t id) {
  const int32_t row = row_of_.find(id);
  if (row == IdMap::kAbsent) return false;
  row_of_.erase(id);
  live_[static_cast<size_t>(row)] = 0;
  return true;
}

void Items::keep(std::span<const int32_t> order) {
  const auto pick = [order](auto& values) {
    auto old = std::move(values);
    values.clear();
    if (old.empty()) return;
    values.reserve(order.size());
    for (const int32_t row : order) values.push_back(old[static_cast<size_t>(row)]);
  };
  pick(ids_);
  pick(live_);
  pick(sequence_);
  row_of_ = {};
  row_of_.reserve(rows());
  for (size_t row = 0; row < ids_.size(); ++row)
    if (live_[row]) row_of_.exchange(ids_[row], static_cast<int32_t>(row));
}

void Items::restore(std::vector<int64_t> ids, std::vector<uint8_t> live, std::vector<int64_t> sequence,
                    int64_t next_id) {
  ids_ = std::move(ids);
  live_ = std::move(live);
  sequence_ = std::move(sequence);
  next_id_ = next_id;
  for (const int64_t place : sequence_) next_place_ = std::max(next_place_, place + 1);
  row_of_.reserve(rows());
  for (size_t row = 0; row < ids_.size(); ++row) {
    count_id(ids_[row]);
    if (!live_[row]) continue;
    const int32_t before = row_of_.exchange(ids_[row], static_cast<int32_t>(row));
    require<FormatError>(before == IdMap::kAbsent, "index file: id ", ids_[row], " occurs twice");
  }
}

void Items::count_id(int64_t id) { next_id_ = std::max(next_id_, id == INT64_MAX ? id : id + 1); }

}  // namespace pictrieve
