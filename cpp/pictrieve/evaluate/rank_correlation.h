// What Kendall's rank correlation is made of.
#pragma once

#include <cstdint>
#include <span>

namespace pictrieve {

struct PairCounts {
  int64_t discordant = 0;  ///< x rises and y falls
  int64_t equal_x = 0;     ///< those with both equal among them
  int64_t equal_y = 0;
  int64_t equal_both = 0;
};

/// Looks at all pairs of observations in n log n steps (Knight 1966). No number is NaN.
PairCounts count_pairs(std::span<const double> x, std::span<const double> y);

}  // namespace pictrieve
