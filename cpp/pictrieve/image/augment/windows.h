// Random rectangles.
#pragma once

#include "pictrieve/image/augment/random.h"
#include "pictrieve/image/preprocess_steps.h"
#include "pictrieve/image/resize.h"

namespace pictrieve {

/// A window of a random part of the area and a random width / height (its logarithm is drawn), as torchvision's
/// RandomResizedCrop: after ten that do not fit, the largest in the middle whose shape is allowed.
Window random_part(PixelSize picture, Range area, Range aspect, RandomStream& random);

/// As torchvision's RandomErasing: ten tries, then an empty window.
Window random_hole(PixelSize picture, Range area, Range aspect, RandomStream& random);

}  // namespace pictrieve
