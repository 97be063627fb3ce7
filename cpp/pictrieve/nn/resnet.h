// The trunk of residual networks, which detectors take the outputs of all stages of.
#pragma once

#include <memory>
#include <vector>

#include "pictrieve/nn/convolutional.h"
#include "pictrieve/nn/modules.h"

namespace pictrieve {

class ResidualBlock;

class ResNet : public ImageModule {
 public:
  /// Settings as resnet.cpp says.
  explicit ResNet(const NetworkConfig& config);
  ~ResNet() override;

  ImageValues forward(Ops& ops, const Value& pixels) const override;
  /// The picture after each stage.
  std::vector<Value> stages(Ops& ops, const Value& pixels) const;

 private:
  ConvNorm stem_;
  std::vector<std::vector<std::shared_ptr<ResidualBlock>>> stages_;
  std::shared_ptr<Layer> classifier_;
};

}  // namespace pictrieve
