// Rows of one matrix that a query is compared with: what every distance kernel takes.
#pragma once

#include <cstdint>

namespace pictrieve {

/// Rows of one matrix to compare with: rows[i] or, where `rows` is null, first + i.
template <typename T>
struct RowListOf {
  const T* base = nullptr;
  int64_t dim = 0;  ///< elements of T from one row to the next
  const int32_t* rows = nullptr;
  int64_t first = 0;
  int64_t count = 0;

  int64_t number(int64_t i) const { return rows ? int64_t{rows[i]} : first + i; }
  const T* row(int64_t i) const { return base + number(i) * dim; }
};

using RowList = RowListOf<float>;

}  // namespace pictrieve
