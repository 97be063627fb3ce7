#include "pictrieve/nn/recorder.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "pictrieve/base/error.h"
#include "pictrieve/nn/modules.h"

namespace pictrieve {
namespace {

/// Adds a grid that exists for pictures of 2 x 3 pixels only.
class Positions : public ImageModule {
 public:
  ImageValues forward(Ops& ops, const Value& pixels) const override {
    const Value x = ops.add_grid(pixels, [](int64_t height, int64_t width) {
      return torch::arange(18, torch::kFloat32).view({height * width, 3});
    });
    return {x, ops.global_pool(x), {}};
  }
};

TEST(Recorder, KeepsAGridForTheRuntime) {
  const Graph graph = record(Positions());
  const Weight grid = graph.nodes[1].grid(2, 3);
  EXPECT_EQ(grid.shape, (std::vector<int64_t>{6, 3}));
  EXPECT_EQ(grid.data[17], 17);
}

TEST(Recorder, TellsTorchsErrorsOfAGridInItsOwnWords) {
  const Graph graph = record(Positions());
  try {
    graph.nodes[1].grid(2, 4);
    FAIL();
  } catch (const Error& error) {
    const std::string text = error.what();
    EXPECT_EQ(text.find("positions of 2 x 4 patches: "), 0U) << text;
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace pictrieve
