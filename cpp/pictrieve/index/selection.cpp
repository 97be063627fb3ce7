#include "pictrieve/index/selection.h"

#include "pictrieve/base/error.h"

namespace pictrieve {
namespace {

int64_t allow_ids(const VectorStore& store, std::span<const int64_t> ids, std::vector<uint8_t>& flags) {
  int64_t count = 0;
  for (const int64_t id : ids) {
    const int32_t row = store.find(id);
    if (row == IdMap::kAbsent || flags[static_cast<size_t>(row)]) continue;
    flags[static_cast<size_t>(row)] = 1;
    ++count;
  }
  return count;
}

int64_t allow_mask(const VectorStore& store, std::span<const uint8_t> mask, std::vector<uint8_t>& flags) {
  require(static_cast<int64_t>(mask.size()) == store.live(), "where: expected one entry for each of the ", store.live(),
          " ids, got a mask of ", mask.size(), "; entry i belongs to ids[i]");
  int64_t count = 0;
  size_t item = 0;
  for (int64_t row = 0; row < store.rows(); ++row) {
    if (!store.is_live(row)) continue;
    const uint8_t allowed = mask[item++] != 0;
    flags[static_cast<size_t>(row)] = allowed;
    count += allowed;
  }
  return count;
}

}  // namespace

Selection select_rows(const VectorStore& store, const Filter& where) {
  require(!(where.ids && where.mask), "where: expected ids or a mask, got both");
  Selection selection;
  if (!where.ids && !where.mask) {
    selection.count = store.live();
    if (store.removed() > 0) selection.allowed = store.live_flags().data();
    return selection;
  }
  selection.flags.resize(static_cast<size_t>(store.rows()), 0);
  selection.count =
      where.ids ? allow_ids(store, *where.ids, selection.flags) : allow_mask(store, *where.mask, selection.flags);
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
