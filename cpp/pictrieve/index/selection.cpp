#include "pictrieve/index/selection.h"

#include <algorithm>

#include "pictrieve/base/error.h"

namespace pictrieve {
namespace {

/// Fills `rows` too: a few ids spare a search the way over all flags.
int64_t allow_ids(const Items& items, std::span<const int64_t> ids, Selection& selection) {
  for (const int64_t id : ids) {
    const int32_t row = items.find(id);
    if (row == IdMap::kAbsent || selection.flags[static_cast<size_t>(row)]) continue;
    selection.flags[static_cast<size_t>(row)] = 1;
    selection.rows.push_back(row);
  }
  std::sort(selection.rows.begin(), selection.rows.end());
  return static_cast<int64_t>(selection.rows.size());
}

int64_t allow_mask(const Items& items, std::span<const uint8_t> mask, std::vector<uint8_t>& flags) {
  require(static_cast<int64_t>(mask.size()) == items.live(), "where: expected one entry for each of the ", items.live(),
          " ids, got a mask of ", mask.size(), "; entry i belongs to ids[i]");
  int64_t count = 0;
  size_t item = 0;
  for (const int32_t row : items.by_addition()) {
    const uint8_t allowed = mask[item++] != 0;
    flags[static_cast<size_t>(row)] = allowed;
    count += allowed;
  }
  return count;
}

}  // namespace

Selection select_rows(const Items& items, const Filter& where) {
  require(!(where.ids && where.mask), "where: expected ids or a mask, got both");
  Selection selection;
  if (!where.ids && !where.mask) {
    selection.count = items.live();
    if (items.removed() > 0) selection.allowed = items.live_flags().data();
    return selection;
  }
  selection.flags.resize(static_cast<size_t>(items.rows()), 0);
  selection.count =
      where.ids ? allow_ids(items, *where.ids, selection) : allow_mask(items, *where.mask, selection.flags);
  selection.allowed = selection.flags.data();
  return selection;
}

void list_rows(Selection& selection, int64_t rows) {
  if (!selection.allowed || !selection.rows.empty()) return;
  selection.rows.reserve(static_cast<size_t>(selection.count));
  for (int64_t row = 0; row < rows; ++row)
    if (selection.allowed[row]) selection.rows.push_back(static_cast<int32_t>(row));
}

}  // namespace pictrieve
