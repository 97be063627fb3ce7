// Words that users choose from.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "pictrieve/base/error.h"

namespace pictrieve {

/// What `word` means by a table. std::invalid_argument lists its words: "alpha: expected white, black or drop, got
/// 'red'".
template <typename Value, size_t Count>
Value value_named(std::string_view subject, std::string_view word,
                  const std::pair<std::string_view, Value> (&table)[Count]) {
  std::string words;
  for (size_t i = 0; i < Count; ++i) {
    if (word == table[i].first) return table[i].second;
    words.append(i == 0 ? "" : i + 1 < Count ? ", " : " or ").append(table[i].first);
  }
  throw std::invalid_argument(message(subject, ": expected ", words, ", got '", word, "'"));
}

}  // namespace pictrieve
