#include "pictrieve/encode/pooling.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include "pictrieve/base/error.h"
#include "pictrieve/base/linalg.h"
#include "pictrieve/base/names.h"

namespace pictrieve {
namespace {

constexpr int kRmacLevels = 3;
constexpr double kGemPower = 3;
constexpr double kGemLeast = 1e-6;

using Channel = std::span<const float>;

double average(Channel values) {
  double sum = 0;
  for (const float value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double generalised_mean(Channel values) {
  double sum = 0;
  for (const float value : values) sum += std::pow(std::max<double>(value, kGemLeast), kGemPower);
  return std::pow(sum / static_cast<double>(values.size()), 1 / kGemPower);
}

/// One number per channel.
template <typename Reduce>
void reduce_channels(const float* map, const FeatureMapShape& shape, float* out, const Reduce& reduce) {
  const size_t area = static_cast<size_t>(shape.height) * shape.width;
  for (int c = 0; c < shape.channels; ++c) out[c] = static_cast<float>(reduce(Channel(map + c * area, area)));
}

/// exp(-d^2 / (2 s^2)) at the distance d of each pixel from the centre; s is a third of the way from the centre to the
/// nearest edge.
std::vector<double> centre_prior(int height, int width) {
  const double deviation = std::min(height, width) / 6.0;
  std::vector<double> weights;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const double dy = y + 0.5 - height / 2.0, dx = x + 0.5 - width / 2.0;
      weights.push_back(std::exp(-(dy * dy + dx * dx) / (2 * deviation * deviation)));
    }
  }
  return weights;
}

void pool_spoc(const float* map, const FeatureMapShape& shape, float* out) {
  const std::vector<double> weights = centre_prior(shape.height, shape.width);
  reduce_channels(map, shape, out, [&](Channel values) {
    double sum = 0;
    for (size_t i = 0; i < values.size(); ++i) sum += weights[i] * values[i];
    return sum;
  });
}

void pool_rmac(const float* map, const FeatureMapShape& shape, float* out) {
  std::fill_n(out, shape.channels, 0.0F);
  const Matrix<float> maxima(1, shape.channels);
  const int64_t area = int64_t{shape.height} * shape.width;
  for (const auto [top, left, side] : rmac_regions(shape.height, shape.width, kRmacLevels)) {
    for (int c = 0; c < shape.channels; ++c) {
      const float* corner = map + c * area + int64_t{top} * shape.width + left;
      float& most = maxima.data()[c] = *corner;
      for (int y = 0; y < side; ++y) {
        const float* line = corner + int64_t{y} * shape.width;
        most = std::max(most, *std::max_element(line, line + side));
      }
    }
    l2_normalize_rows(maxima);
    for (int c = 0; c < shape.channels; ++c) out[c] += maxima.data()[c];
  }
}

/// m of rmac_regions: neighbours that start (long side - side) / m apart share 1 - that / side.
int regions_beyond_the_short_side(int shorter, int longer) {
  if (shorter == longer) return 0;
  int best = 1;
  double nearest = INFINITY;
  for (int more = 1; more <= 6; ++more) {
    const double shared = 1 - static_cast<double>(longer - shorter) / more / shorter;
    if (std::abs(shared - 0.4) >= nearest) continue;
    nearest = std::abs(shared - 0.4);
    best = more;
  }
  return best;
}

/// `count` starts from 0 to `room`, evenly apart, rounded down.
std::vector<int> starts(int room, int count) {
  std::vector<int> places;
  for (int i = 0; i < count; ++i) places.push_back(count == 1 ? 0 : static_cast<int>(int64_t{i} * room / (count - 1)));
  return places;
}

}  // namespace

MapPooling map_pooling_named(const std::string& name) {
  constexpr std::pair<std::string_view, MapPooling> kNames[] = {
      {"avg", MapPooling::Average}, {"max", MapPooling::Max},   {"gem", MapPooling::Gem},
      {"rmac", MapPooling::Rmac},   {"spoc", MapPooling::Spoc}, {"flatten", MapPooling::Flatten}};
  return name.empty() ? MapPooling::Own : value_named("pooling", name, kNames);
}

int64_t pooled_size(MapPooling pooling, const FeatureMapShape& shape) {
  return pooling == MapPooling::Flatten ? shape.size() : shape.channels;
}

void pool_map(MapPooling pooling, const float* map, const FeatureMapShape& shape, float* out) {
  switch (pooling) {
    case MapPooling::Average:
      return reduce_channels(map, shape, out, average);
    case MapPooling::Max:
      return reduce_channels(map, shape, out, [](Channel values) { return *std::ranges::max_element(values); });
    case MapPooling::Gem:
      return reduce_channels(map, shape, out, generalised_mean);
    case MapPooling::Rmac:
      return pool_rmac(map, shape, out);
    case MapPooling::Spoc:
      return pool_spoc(map, shape, out);
    case MapPooling::Flatten:
      std::copy_n(map, shape.size(), out);
      return;
    case MapPooling::Own:
      break;
  }
  throw std::invalid_argument("pooling: the network's own features are not pooled from its map");
}

std::vector<MapRegion> rmac_regions(int height, int width, int levels) {
  const int shorter = std::min(height, width);
  const int more = regions_beyond_the_short_side(shorter, std::max(height, width));
  std::vector<MapRegion> regions;
  for (int level = 1; level <= levels; ++level) {
    const int side = 2 * shorter / (level + 1);
    if (side == 0) break;
    for (const int top : starts(height - side, level + (height > width ? more : 0)))
      for (const int left : starts(width - side, level + (width > height ? more : 0)))
        regions.push_back({top, left, side});
  }
  return regions;
}

}  // namespace pictrieve
