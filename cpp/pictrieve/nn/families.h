// The families of networks, each in the .cpp file of its name.
#pragma once

#include "pictrieve/nn/registry.h"

namespace pictrieve {

ImageFamily cifar_resnet_family();
ImageFamily clip_resnet_family();
ImageFamily convnext_family();
ImageFamily efficientnet_family();
ImageFamily inception_v3_family();
ImageFamily mobilenet_v2_family();
ImageFamily mobilenet_v3_family();
ImageFamily resnet_family();
ImageFamily squeezenet_family();
ImageFamily vgg_family();
ImageFamily vit_family();
ImageFamily dinov2_family();
ImageFamily clip_vision_family();
ImageFamily siglip_vision_family();
ImageFamily swin_family();
TextFamily bert_family();
TextFamily clip_text_family();
TextFamily gpt2_family();
TextFamily modernbert_family();
TextFamily siglip_text_family();

}  // namespace pictrieve
