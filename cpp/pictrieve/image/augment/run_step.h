// Carries out one step of an augmentation on pixels.
#pragma once

#include "pictrieve/image/augment/canvas.h"
#include "pictrieve/image/augment/random.h"
#include "pictrieve/image/augment/steps.h"
#include "pictrieve/image/preprocess.h"

namespace pictrieve {

/// Draws whether the step happens and with which parameters, and does it. Sizes and resampling are those of `served`.
void run_step(const AugmentStep& step, const Preprocess& served, RandomStream random, Canvas& canvas);

/// Short side that a decoded picture of this upright size needs for the step to average from two pixels or more: the
/// target of DecodeOptions. 0 where the step does not resize, or wants every pixel.
int needed_short_side(const AugmentStep& step, const Preprocess& served, RandomStream random, PixelSize picture);

}  // namespace pictrieve
