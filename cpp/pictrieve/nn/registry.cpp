#include "pictrieve/nn/registry.h"

#include <map>

#include "pictrieve/base/error.h"
#include "pictrieve/nn/efficientnet.h"
#include "pictrieve/nn/frozen.h"
#include "pictrieve/nn/recorder.h"

namespace pictrieve {
namespace {

using Factory = std::shared_ptr<ImageModule> (*)();

const std::map<std::string, Factory>& factories() {
  static const std::map<std::string, Factory> table{
      {"efficientnet_lite0", &make_efficientnet_lite0},
  };
  return table;
}

}  // namespace

std::vector<std::string> image_architectures() {
  std::vector<std::string> names;
  for (const auto& [name, factory] : factories()) names.push_back(name);
  return names;
}

std::shared_ptr<ImageModule> make_image_module(const std::string& architecture) {
  const auto found = factories().find(architecture);
  if (found == factories().end()) {
    std::string known;
    for (const std::string& name : image_architectures()) known += (known.empty() ? "" : ", ") + name;
    require(false, "image network: expected one of ", known, ", got '", architecture, "'");
  }
  return found->second();
}

Graph record(const ImageModule& module) {
  Recorder recorder;
  const ImageValues values = module.forward(recorder, recorder.input("pixels"));
  recorder.output("feature_map", values.feature_map);
  recorder.output("features", values.features);
  if (values.logits.node >= 0) recorder.output("logits", values.logits);
  return recorder.take();
}

}  // namespace pictrieve
