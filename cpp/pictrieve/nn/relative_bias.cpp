#include "pictrieve/nn/relative_bias.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "pictrieve/base/error.h"

namespace pictrieve {
namespace {

constexpr double kFarthest = 128;

int64_t grid_entry(int64_t query, int64_t key, int64_t window) {
  const int64_t rows = query / window - key / window, columns = query % window - key % window;
  return (rows + window - 1) * (2 * window - 1) + columns + window - 1;
}

}  // namespace

int64_t relative_bias_bucket(int64_t apart, int64_t entries) {
  const int64_t half = entries / 2, exact = half / 2, distance = std::abs(apart);
  const int64_t side = apart > 0 ? half : 0;  // keys after the query
  if (distance < exact) return side + distance;
  // In float32, as the networks that were trained with these buckets had it.
  const float share = std::log(static_cast<float>(distance) / static_cast<float>(exact)) /
                      static_cast<float>(std::log(kFarthest / static_cast<double>(exact)));
  const int64_t step = static_cast<int64_t>(share * static_cast<float>(half - exact));
  return side + std::min(exact + step, half - 1);
}

std::vector<int64_t> relative_bias_entries(const AttentionOptions& options, int64_t entries, int64_t length) {
  const int64_t window = options.window;
  const bool grid = options.bias == RelativeBias::Grid;
  require(!grid || (window * window == length && entries == (2 * window - 1) * (2 * window - 1)),
          "attention: expected a bias table of (2 window - 1)^2 entries, got ", entries);
  require(grid || entries >= 4, "attention: expected a bias table of 4 buckets or more, got ", entries);
  std::vector<int64_t> found;
  found.reserve(static_cast<size_t>(length * length));
  for (int64_t query = 0; query < length; ++query)
    for (int64_t key = 0; key < length; ++key)
      found.push_back(grid ? grid_entry(query, key, window) : relative_bias_bucket(key - query, entries));
  return found;
}

int64_t shift_along(const AttentionOptions& options, int64_t size) {
  return options.rolled || size > options.window ? options.shift : 0;
}

std::vector<int64_t> shift_regions(const AttentionOptions& options, int64_t height, int64_t width) {
  const auto part = [&](int64_t place, int64_t size) -> int64_t {
    if (shift_along(options, size) == 0) return 0;
    return place < size - options.window ? 0 : place < size - options.shift ? 1 : 2;
  };
  std::vector<int64_t> regions;
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x) regions.push_back(3 * part(y, height) + part(x, width));
  return regions;
}

}  // namespace pictrieve
