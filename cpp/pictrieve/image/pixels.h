// Channel layouts, crops and orientation: moves pixels without resampling them.
#pragma once

#include <string_view>

#include "pictrieve/base/image.h"

namespace pictrieve {

/// What becomes of a transparent pixel when a picture turns into RGB.
enum class AlphaPolicy {
  White,  ///< composed on white: Pillow's `background.paste(image, mask=alpha)`
  Black,  ///< composed on black
  Drop,   ///< colour kept, alpha forgotten: Pillow's `convert("RGB")`
};

/// "white", "black", "drop".
std::string_view name_of(AlphaPolicy alpha);
AlphaPolicy alpha_policy_named(std::string_view name);

/// RGB copy of a grey, RGB or RGBA picture.
Image to_rgb(ImageView image, AlphaPolicy alpha);

/// The same pixels, seen through a window that must lie inside the picture.
ImageView crop_view(ImageView image, int top, int left, int height, int width);

/// Undoes an EXIF orientation 1 .. 8: the returned picture is upright.
Image upright(const Image& image, int orientation);

}  // namespace pictrieve
