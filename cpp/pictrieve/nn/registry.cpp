#include "pictrieve/nn/registry.h"

#include <algorithm>

#include "pictrieve/base/error.h"
#include "pictrieve/nn/families.h"
#include "pictrieve/nn/frozen.h"

namespace pictrieve {
namespace {

const std::vector<ImageFamily>& image_families() {
  static const std::vector<ImageFamily> families{
      cifar_resnet_family(), clip_resnet_family(),  convnext_family(),    efficientnet_family(),  inception_v3_family(),
      mobilenet_v2_family(), mobilenet_v3_family(), resnet_family(),      squeezenet_family(),    vgg_family(),
      vit_family(),          dinov2_family(),       clip_vision_family(), siglip_vision_family(), swin_family(),
  };
  return families;
}

const std::vector<TextFamily>& text_families() {
  static const std::vector<TextFamily> families{
      bert_family(), clip_text_family(), gpt2_family(), modernbert_family(), siglip_text_family(),
  };
  return families;
}

template <class Module>
std::vector<std::string> names_of(const std::vector<Family<Module>>& families) {
  std::vector<std::string> names;
  for (const auto& family : families) {
    names.push_back(family.name);
    for (const auto& [name, config] : family.variants)
      if (name != family.name) names.push_back(name);
  }
  std::ranges::sort(names);
  return names;
}

template <class Module>
const Family<Module>& find_family(const std::vector<Family<Module>>& families, const std::string& architecture) {
  for (const auto& family : families)
    if (family.name == architecture || family.variants.count(architecture)) return family;
  std::string known;
  for (const std::string& name : names_of(families)) known += (known.empty() ? "" : ", ") + name;
  throw std::invalid_argument(message("architecture: expected one of ", known, ", got '", architecture, "'"));
}

}  // namespace

std::vector<std::string> image_architectures() { return names_of(image_families()); }
std::vector<std::string> text_architectures() { return names_of(text_families()); }

const ImageFamily& image_family(const std::string& architecture) { return find_family(image_families(), architecture); }
const TextFamily& text_family(const std::string& architecture) { return find_family(text_families(), architecture); }

std::shared_ptr<ImageModule> make_image_module(const std::string& architecture, const NetworkConfig& config) {
  const ImageFamily& family = image_family(architecture);
  return family.make(family.settings(architecture, config));
}

std::shared_ptr<TextModule> make_text_module(const std::string& architecture, const NetworkConfig& config) {
  const TextFamily& family = text_family(architecture);
  return family.make(family.settings(architecture, config));
}

}  // namespace pictrieve
