#include "pictrieve/index/items.h"

#include <algorithm>
#include <iterator>
#include <numeric>

#include "pictrieve/base/error.h"

namespace pictrieve {

std::vector<int32_t> Items::by_addition() const {
  std::vector<int32_t> order;
  order.reserve(static_cast<size_t>(live()));
  if (sequence_.empty()) {
    for (int64_t row = 0; row < rows(); ++row)
      if (is_live(row)) order.push_back(static_cast<int32_t>(row));
    return order;
  }
  std::vector<int32_t> row_at(static_cast<size_t>(next_place_), -1);
  for (int64_t row = 0; row < rows(); ++row)
    if (is_live(row)) row_at[static_cast<size_t>(sequence_[static_cast<size_t>(row)])] = static_cast<int32_t>(row);
  std::copy_if(row_at.begin(), row_at.end(), std::back_inserter(order), [](int32_t row) { return row >= 0; });
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
  next_place_ = this->rows();
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
  close_gaps();
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
  close_gaps();
  row_of_.reserve(rows());
  for (size_t row = 0; row < ids_.size(); ++row) {
    count_id(ids_[row]);
    if (!live_[row]) continue;
    const int32_t before = row_of_.exchange(ids_[row], static_cast<int32_t>(row));
    require<FormatError>(before == IdMap::kAbsent, "index file: id ", ids_[row], " occurs twice");
  }
}

/// Places are 0, 1, ... in the order of addition again.
void Items::close_gaps() {
  next_place_ = rows();
  std::vector<size_t> order(sequence_.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [this](size_t a, size_t b) { return sequence_[a] < sequence_[b]; });
  for (size_t place = 0; place < order.size(); ++place) sequence_[order[place]] = static_cast<int64_t>(place);
}

void Items::count_id(int64_t id) { next_id_ = std::max(next_id_, id == INT64_MAX ? id : id + 1); }

}  // namespace pictrieve
