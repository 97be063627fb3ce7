// EfficientNet-Lite (https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite): MobileNetV2-like
// inverted residual blocks (Tan & Le, arXiv:1905.11946) with ReLU6 and without squeeze-and-excitation.
#pragma once

#include <memory>

#include "pictrieve/nn/image_module.h"

namespace pictrieve {

/// Keys: "_conv_stem", "_bn0", "_blocks.I._expand_conv", "_depthwise_conv", "_project_conv", "_conv_head", "_bn1",
/// "_fc".
std::shared_ptr<ImageModule> make_efficientnet_lite0();

}  // namespace pictrieve
