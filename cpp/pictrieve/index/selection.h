// Which rows a search may return, once ids and masks have been looked up.
#pragma once

#include <cstdint>
#include <vector>

#include "pictrieve/index/index.h"
#include "pictrieve/index/items.h"

namespace pictrieve {

struct Selection {
  int64_t count = 0;                 ///< rows that match
  const uint8_t* allowed = nullptr;  ///< one flag a row; null where all rows match
  std::vector<uint8_t> flags;        ///< owns `allowed` where there is a filter
  std::vector<int32_t> rows;         ///< the matching rows in order, filled by list_rows()

  bool allows(int64_t row) const { return !allowed || allowed[row]; }
};

/// Looks a filter up. The store must stay as it is while the selection is in use.
Selection select_rows(const Items& items, const Filter& where);

/// Fills `rows` for searches that visit the matching rows only.
void list_rows(Selection& selection, int64_t rows);

}  // namespace pictrieve
