// Borrowed rows that may be part of wider rows.
#pragma once

#include <cstdint>

namespace pictrieve {

/// Rows of float32 numbers whose beginnings lie `stride` numbers apart; 0 repeats one row.
struct RowView {
  const float* data = nullptr;
  int64_t stride = 0;

  const float* row(int64_t i) const { return data + i * stride; }
  /// The rows from the i-th on.
  RowView from(int64_t i) const { return {row(i), stride}; }
  /// Each row without its first `begin` numbers.
  RowView columns(int64_t begin) const { return {data + begin, stride}; }
};

}  // namespace pictrieve
