#include "pictrieve/runtime/detector_network.h"

#include <string>
#include <utility>

#include "pictrieve/base/error.h"
#include "pictrieve/base/pool.h"
#include "pictrieve/base/single_threaded.h"
#include "pictrieve/nn/faster_rcnn.h"
#include "pictrieve/runtime/fusion.h"
#include "pictrieve/runtime/image_plan.h"
#include "pictrieve/runtime/row_plan.h"

namespace pictrieve {

struct DetectorNetwork::State {
  explicit State(const DetectorGraph& network)
      : classes(network.classes),
        picture(fuse_operations(network.picture)),
        region(fuse_operations(network.region), region_size()) {}

  static int64_t region_size() {
    return int64_t{DetectorGraph::kChannels} * DetectorGraph::kRegionSide * DetectorGraph::kRegionSide;
  }

  int classes;
  Graph picture;
  PackedWeights weights;
  RowPlan region;
  Pool<RowWorkspace> workspaces;
};

DetectorNetwork::DetectorNetwork(std::unique_ptr<State> state) : state_(std::move(state)) {}
DetectorNetwork::~DetectorNetwork() = default;

std::unique_ptr<DetectorNetwork> DetectorNetwork::load(const NetworkConfig& config, const StateDict& weights) {
  return std::unique_ptr<DetectorNetwork>(
      new DetectorNetwork(std::make_unique<State>(freeze_detector(config, weights))));
}

std::unique_ptr<DetectorNetwork> DetectorNetwork::load_random(const NetworkConfig& config, uint64_t seed) {
  return std::unique_ptr<DetectorNetwork>(new DetectorNetwork(std::make_unique<State>(random_detector(config, seed))));
}

int DetectorNetwork::classes() const { return state_->classes; }
int DetectorNetwork::region_size() const { return static_cast<int>(State::region_size()); }

DetectorMaps DetectorNetwork::look(const float* pixels, int height, int width) const {
  require(height > 0 && width > 0 && height % 32 == 0 && width % 32 == 0,
          "pixels: expected sides that are multiples of 32, got ", height, " x ", width);
  const SingleThreaded guard;
  try {
    // Pictures come in all sizes: a plan is made for each, which takes a few per cent of its run.
    ImagePlan plan(state_->picture, state_->weights, height, width);
    DetectorMaps result;
    std::vector<std::pair<std::string, float*>> outputs;
    const auto add = [&](std::vector<FeatureMap>& maps, const char* name, int count) {
      for (int i = 0; i < count; ++i) {
        const std::string output = name + std::to_string(i);
        const Shape shape = plan.shape(output);
        maps.push_back({Matrix<float>(shape.channels, shape.rows()), shape.height, shape.width});
        outputs.emplace_back(output, maps.back().values.data());
      }
    };
    add(result.maps, "map", DetectorGraph::kMaps);
    add(result.objectness, "objectness", DetectorGraph::kLevels);
    add(result.changes, "changes", DetectorGraph::kLevels);
    plan.run(pixels, outputs);
    return result;
  } catch (const dnnl::error& error) {
    throw Error(message("detector on ", height, " x ", width, " pixels: ", error.what()));
  }
}

void DetectorNetwork::judge(MatrixView<const float> regions, MatrixView<float> judged) const {
  require(regions.cols == region_size() && judged.rows == regions.rows && judged.cols == 5 * classes(),
          "regions: expected (n, ", region_size(), ") and (n, ", 5 * classes(), ")");
  if (regions.rows == 0) return;
  const auto workspace = state_->workspaces.borrow();
  state_->region.run({{{"region", regions.data, nullptr}}, regions.rows, {}}, *workspace, judged.data);
}

}  // namespace pictrieve
