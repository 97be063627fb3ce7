#include "pictrieve/detect/roi_align.h"

#include <algorithm>
#include <array>
#include <vector>

namespace pictrieve {
namespace {

/// Four pixels of a map and their shares in a point between them.
struct Sample {
  std::array<int64_t, 4> places{};
  std::array<float, 4> shares{};
};

/// Points more than a pixel outside count as zero; those within a pixel of the edge as the edge.
Sample sample_at(const FeatureView& map, float y, float x) {
  const bool near = y >= -1 && y <= static_cast<float>(map.height) && x >= -1 && x <= static_cast<float>(map.width);
  if (!near) return {};  // nor a point that is NaN
  const auto axis = [](float place, int64_t size, int64_t& low, int64_t& high) {
    place = std::max(place, 0.0F);
    low = std::min(static_cast<int64_t>(place), size - 1);
    high = std::min(low + 1, size - 1);
    return low == size - 1 ? 0.0F : place - static_cast<float>(low);
  };
  int64_t top = 0, bottom = 0, left = 0, right = 0;
  const float down = axis(y, map.height, top, bottom), across = axis(x, map.width, left, right);
  return {{top * map.width + left, top * map.width + right, bottom * map.width + left, bottom * map.width + right},
          {(1 - down) * (1 - across), (1 - down) * across, down * (1 - across), down * across}};
}

std::vector<Sample> samples_of(const FeatureView& map, const Box& box, const RoiAlignOptions& options) {
  const float shift = options.aligned ? 0.5F : 0.0F, least = options.aligned ? 0.0F : 1.0F;
  const float left = box.x1 * options.scale - shift, top = box.y1 * options.scale - shift;
  const float width = std::max(box.x2 * options.scale - shift - left, least);
  const float height = std::max(box.y2 * options.scale - shift - top, least);
  const float cell_width = width / static_cast<float>(options.side);
  const float cell_height = height / static_cast<float>(options.side);
  const auto place = [&](float start, float cell, int index, int sample) {
    return start + static_cast<float>(index) * cell +
           (static_cast<float>(sample) + 0.5F) * cell / static_cast<float>(options.samples);
  };
  std::vector<Sample> samples;
  for (int row = 0; row < options.side; ++row)
    for (int column = 0; column < options.side; ++column)
      for (int i = 0; i < options.samples; ++i)
        for (int j = 0; j < options.samples; ++j)
          samples.push_back(sample_at(map, place(top, cell_height, row, i), place(left, cell_width, column, j)));
  return samples;
}

}  // namespace

void roi_align(const FeatureView& map, const Box& box, const RoiAlignOptions& options, float* out) {
  const std::vector<Sample> samples = samples_of(map, box, options);
  const int64_t cells = int64_t{options.side} * options.side, per_cell = int64_t{options.samples} * options.samples;
  for (int64_t channel = 0; channel < map.channels; ++channel) {
    const float* plane = map.data + channel * map.height * map.width;
    for (int64_t cell = 0; cell < cells; ++cell) {
      float sum = 0;
      for (int64_t i = cell * per_cell; i < (cell + 1) * per_cell; ++i)
        for (size_t corner = 0; corner < 4; ++corner)
          sum += samples[i].shares[corner] * plane[samples[i].places[corner]];
      out[channel * cells + cell] = sum / static_cast<float>(per_cell);
    }
  }
}

}  // namespace pictrieve
