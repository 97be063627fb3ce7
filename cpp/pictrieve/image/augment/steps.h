// What can happen to a picture in training: parameters and how likely each step is, no behaviour.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "pictrieve/image/augment/random.h"
#include "pictrieve/image/preprocess_steps.h"

namespace pictrieve {

using Colour = std::array<uint8_t, 3>;

/// Both 0: the size of the network's input.
struct TargetSize {
  int height = 0;
  int width = 0;
};

/// A window of a random part of the area and a random width / height, resized (Szegedy et al., 2015).
struct RandomResizedCrop {
  Range area{0.08, 1};
  Range aspect{0.75, 4.0 / 3};
  TargetSize size{};
};

enum class FitMode {
  Stretch,  ///< to exactly the size
  Pad,      ///< the whole picture inside the size, centred
  Crop,     ///< covers the size; what hangs over is cut off on both sides
};

struct Fit {
  FitMode mode = FitMode::Crop;
  TargetSize size{};
  Colour fill{};
};

/// In the middle: `fraction` of either side where that is above 0, else `size`, filled up where the picture is smaller.
struct CentreCrop {
  double fraction = 0;
  TargetSize size{};
  Colour fill{};
};

/// `size` at a random place of the picture with a border of `padding` pixels.
struct RandomCrop {
  int padding = 0;
  TargetSize size{};
  Colour fill{};
};

/// The steps of the Preprocess: what the network sees when it serves.
struct AsServed {};

struct Flip {
  bool vertical = false;
};

/// Turned against the clock about the centre.
struct Rotate {
  Range degrees{};
  Colour fill{};
};

/// About the centre: turned by `degrees` against the clock, sheared and scaled, moved by parts of width and height.
struct Affine {
  Range degrees{};
  Range shift_x{};
  Range shift_y{};
  Range scale{1, 1};
  Range shear_x{};  ///< degrees
  Range shear_y{};
  Colour fill{};
};

/// In random order. Factors of which 1 changes nothing; the hue moves by parts of the circle.
struct ColourJitter {
  Range brightness{1, 1};
  Range contrast{1, 1};
  Range saturation{1, 1};
  Range hue{};
};

struct Greyscale {};

struct Blur {
  Range sigma{};  ///< pixels
};

/// Written as JPEG and read back.
struct Jpeg {
  Range quality{};  ///< 1 .. 100, whole numbers, both ends included
};

struct Noise {
  Range deviation{};  ///< of the normal distribution, in levels of 0 .. 255
};

enum class EraseFill { Plain, Mean, Noise };

/// A rectangle of a random part of the area (Zhong et al., 2020).
struct Erase {
  Range area{0.02, 0.4};
  Range aspect{0.3, 1 / 0.3};
  EraseFill fill = EraseFill::Noise;  ///< Mean: what the network's input has as 0
  Colour colour{};
};

/// Levels from the threshold on are inverted.
struct Solarise {
  Range threshold{};
};

/// Only the highest bits of each level stay.
struct Posterise {
  Range bits{};  ///< 1 .. 8, whole numbers, both ends included
};

struct AugmentStep {
  std::variant<RandomResizedCrop, Fit, CentreCrop, RandomCrop, AsServed, Flip, Rotate, Affine, ColourJitter, Greyscale,
               Blur, Jpeg, Noise, Erase, Solarise, Posterise>
      operation;
  double probability = 1;
};

/// Throws std::invalid_argument that names the parameter which is out of range.
void check_step(const AugmentStep& step);

/// Sides times `fraction`, rounded, at least 1.
PixelSize fraction_of(PixelSize size, double fraction);

/// Size of a picture after the step, where it is known from `before` or from the step alone.
std::optional<PixelSize> size_after(const AugmentStep& step, std::optional<PixelSize> before, PixelSize served);

}  // namespace pictrieve
