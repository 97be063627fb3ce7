// Lists of ids of unequal length in one array.
#pragma once

#include <cstdint>
#include <span>

namespace pictrieve {

/// Lists one after another: list i is ids[offsets[i] .. offsets[i + 1]).
struct IdLists {
  std::span<const int64_t> ids;
  std::span<const int64_t> offsets;

  int64_t size() const { return offsets.empty() ? 0 : static_cast<int64_t>(offsets.size()) - 1; }
  int64_t begin_of(int64_t i) const { return offsets[static_cast<size_t>(i)]; }
  std::span<const int64_t> list(int64_t i) const {
    const auto begin = static_cast<size_t>(begin_of(i)), end = static_cast<size_t>(begin_of(i + 1));
    return ids.subspan(begin, end - begin);
  }
};

}  // namespace pictrieve
