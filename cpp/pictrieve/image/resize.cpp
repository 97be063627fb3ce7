#include "pictrieve/image/resize.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "pictrieve/base/error.h"
#include "pictrieve/image/pixels.h"
#include "pictrieve/image/resample_passes.h"

namespace pictrieve {
namespace {

constexpr std::array<std::string_view, 5> kNames{"nearest", "box", "bilinear", "bicubic", "lanczos"};

/// Source pixel of each output pixel. Positions are summed up step by step, as in Pillow: the rounding of the sum
/// decides ties.
std::vector<int> nearest_positions(int source, int target, int first, int count) {
  std::vector<int> positions;
  const double step = static_cast<double>(source) / target;
  double position = step * 0.5;
  for (int i = 0; i < first + count; ++i, position += step)
    if (i >= first) positions.push_back(std::min(static_cast<int>(position), source - 1));
  return positions;
}

Image resize_nearest(ImageView source, int height, int width, const Window& window) {
  const std::vector<int> columns = nearest_positions(source.width, width, window.left, window.width);
  const std::vector<int> rows = nearest_positions(source.height, height, window.top, window.height);
  Image out(window.height, window.width, source.channels);
  for (int y = 0; y < window.height; ++y) {
    const uint8_t* from = source.row(rows[y]);
    uint8_t* to = out.row(y);
    for (const int x : columns)
      for (int c = 0; c < source.channels; ++c) *to++ = from[int64_t{x} * source.channels + c];
  }
  return out;
}

Image resample(ImageView source, int height, int width, Interpolation interpolation, const Window& window) {
  const bool same_width = width == source.width, same_height = height == source.height;
  AxisWeights down;
  int first = window.top, end = window.top + window.height;  // source rows that count
  if (!same_height) {
    down = axis_weights(source.height, height, interpolation, window.top, window.height);
    first = down.first();
    end = down.end();
  }
  if (same_width) {
    const ImageView part = crop_view(source, first, window.left, end - first, window.width);
    if (same_height) return resize_nearest(part, part.height, part.width, {0, 0, part.height, part.width});
    Image out(window.height, window.width, source.channels);
    resample_columns(part, first, down, out);
    return out;
  }
  const ImageView rows = crop_view(source, first, 0, end - first, source.width);
  const PaddedRows narrow(rows.height, int64_t{window.width} * source.channels);
  resample_rows(rows, axis_weights(source.width, width, interpolation, window.left, window.width), narrow);
  const ImageView between{narrow.row(0), narrow.rows, window.width, source.channels, narrow.stride};
  Image out(window.height, window.width, source.channels);
  if (same_height)
    for (int y = 0; y < out.height(); ++y)
      std::memcpy(out.row(y), between.row(y), static_cast<size_t>(out.row_stride()));
  else
    resample_columns(between, first, down, out);
  return out;
}

Image premultiplied(ImageView rgba) {
  Image out(rgba.height, rgba.width, 4);
  for (int y = 0; y < rgba.height; ++y) {
    const uint8_t* from = rgba.row(y);
    uint8_t* to = out.row(y);
    for (int x = 0; x < rgba.width; ++x, from += 4, to += 4) {
      for (int c = 0; c < 3; ++c) {
        const int product = from[c] * from[3] + 128;
        to[c] = static_cast<uint8_t>(((product >> 8) + product) >> 8);
      }
      to[3] = from[3];
    }
  }
  return out;
}

void divide_by_alpha(const Image& rgba) {
  for (int y = 0; y < rgba.height(); ++y) {
    uint8_t* pixel = rgba.row(y);
    for (int x = 0; x < rgba.width(); ++x, pixel += 4) {
      if (pixel[3] == 0 || pixel[3] == 255) continue;
      for (int c = 0; c < 3; ++c) pixel[c] = static_cast<uint8_t>(std::min(255, 255 * pixel[c] / pixel[3]));
    }
  }
}

}  // namespace

std::string_view name_of(Interpolation interpolation) { return kNames[static_cast<size_t>(interpolation)]; }

Interpolation interpolation_named(std::string_view name) {
  const auto* found = std::find(kNames.begin(), kNames.end(), name);
  require(found != kNames.end(), "interpolation: expected nearest, box, bilinear, bicubic or lanczos, got \"", name,
          '"');
  return static_cast<Interpolation>(found - kNames.begin());
}

Image resize_window(ImageView source, int height, int width, Interpolation interpolation, const Window& window) {
  require(source.height > 0 && source.width > 0, "resize: the picture is empty (", source.height, " x ", source.width,
          ')');
  require(height > 0 && width > 0, "resize: expected a size of at least 1 x 1, got ", height, " x ", width);
  require(source.channels == 1 || source.channels == 3 || source.channels == 4,
          "resize: expected 1, 3 or 4 channels, got ", source.channels);
  require(window.top >= 0 && window.left >= 0 && window.height > 0 && window.width > 0 &&
              window.top <= height - window.height && window.left <= width - window.width,
          "resize: the window of ", window.height, " x ", window.width, " at row ", window.top, ", column ",
          window.left, " is not inside ", height, " x ", width);
  if (interpolation == Interpolation::Nearest) return resize_nearest(source, height, width, window);
  const bool same_size = height == source.height && width == source.width;
  if (source.channels != 4 || same_size) return resample(source, height, width, interpolation, window);
  const Image out = resample(premultiplied(source), height, width, interpolation, window);
  divide_by_alpha(out);
  return out;
}

Image resize(ImageView source, int height, int width, Interpolation interpolation) {
  return resize_window(source, height, width, interpolation, {0, 0, height, width});
}

}  // namespace pictrieve
