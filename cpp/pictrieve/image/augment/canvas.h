// A picture on its way through the steps.
#pragma once

#include "pictrieve/base/image.h"
#include "pictrieve/image/pixels.h"
#include "pictrieve/image/preprocess_steps.h"
#include "pictrieve/image/resize.h"

namespace pictrieve {

/// Begins with borrowed pixels, which are copied at the first step that writes: several views may start from one
/// picture.
class Canvas {
 public:
  /// `nominal`: size that the picture has where it is not decoded smaller than it is.
  Canvas(ImageView rgb, PixelSize nominal) : view_(rgb), nominal_(nominal) {}

  ImageView view() const { return view_; }
  PixelSize size() const { return {view_.height, view_.width}; }
  PixelSize nominal() const { return nominal_; }

  void set(const Image& image) { set(SteppedImage{image, image}); }
  void set(SteppedImage stepped) {
    pixels_ = std::move(stepped.pixels);
    view_ = stepped.view;
    nominal_ = size();
  }
  void crop(const Window& window) {
    view_ = crop_view(view_, window.top, window.left, window.height, window.width);
    nominal_ = size();
  }

  /// The pixels, to write into.
  const Image& own() {
    const bool whole = pixels_.data() != nullptr && view_.data == pixels_.data() && view_.height == pixels_.height() &&
                       view_.width == pixels_.width();
    if (!whole) {
      pixels_ = to_rgb(view_, AlphaPolicy::White);
      view_ = pixels_;
    }
    return pixels_;
  }

 private:
  ImageView view_;
  Image pixels_;
  PixelSize nominal_;
};

}  // namespace pictrieve
