#include "pictrieve/runtime/image_network.h"

#include <list>
#include <utility>
#include <vector>

#include "pictrieve/base/error.h"
#include "pictrieve/base/pool.h"
#include "pictrieve/base/single_threaded.h"
#include "pictrieve/nn/frozen.h"
#include "pictrieve/runtime/fusion.h"
#include "pictrieve/runtime/image_plan.h"
#include "pictrieve/runtime/value_shapes.h"

namespace pictrieve {
namespace {

constexpr size_t kPlansKept = 8;

struct PlanKey {
  int height, width;
  bool features, logits, feature_map;
  bool operator==(const PlanKey&) const = default;
};

/// What one run needs besides the weights.
struct WorkingMemory {
  std::list<std::pair<PlanKey, ImagePlan>> plans;  ///< latest used first
};

}  // namespace

struct ImageNetwork::State {
  State(const std::string& name, const ImageGraph& network)
      : architecture(name), facts(network), graph(fuse_operations(network.graph)) {
    weights.add_matrices(select_outputs(graph, {"features"}));  // a large classifier may never be asked
  }

  ImagePlan& plan(WorkingMemory& memory, const PlanKey& key) {
    for (auto it = memory.plans.begin(); it != memory.plans.end(); ++it) {
      if (!(it->first == key)) continue;
      memory.plans.splice(memory.plans.begin(), memory.plans, it);
      return memory.plans.front().second;
    }
    std::vector<std::string> names;
    if (key.features) names.push_back("features");
    if (key.logits) names.push_back("logits");
    if (key.feature_map) names.push_back("feature_map");
    memory.plans.emplace_front(key, ImagePlan(select_outputs(graph, names), weights, key.height, key.width));
    if (memory.plans.size() > kPlansKept) memory.plans.pop_back();
    return memory.plans.front().second;
  }

  void check_size(int height, int width) const {
    require(height >= facts.least_size && width >= facts.least_size, "pixels: expected at least ", facts.least_size,
            " x ", facts.least_size, " for ", architecture, ", got ", height, " x ", width);
  }

  /// Calls `function`; what goes wrong names the network and the size.
  template <class F>
  auto on_pictures(int height, int width, const F& function) const {
    const auto where = [&] {
      return message("image network ", architecture, " on ", height, " x ", width, " pixels: ");
    };
    try {
      return function();
    } catch (const std::invalid_argument& error) {
      throw std::invalid_argument(where() + error.what());
    } catch (const dnnl::error& error) {
      throw Error(where() + error.what());
    } catch (const Error& error) {
      throw Error(where() + error.what());
    }
  }

  std::string architecture;
  ImageFacts facts;
  Graph graph;
  PackedWeights weights;
  Pool<WorkingMemory> memories;
};

ImageNetwork::ImageNetwork(std::unique_ptr<State> state) : state_(std::move(state)) {}
ImageNetwork::~ImageNetwork() = default;

std::unique_ptr<ImageNetwork> ImageNetwork::load(const std::string& architecture, const NetworkConfig& config,
                                                 const StateDict& weights) {
  const ImageGraph network = freeze_image_network(architecture, config, weights);
  return std::unique_ptr<ImageNetwork>(new ImageNetwork(std::make_unique<State>(architecture, network)));
}

std::unique_ptr<ImageNetwork> ImageNetwork::load_random(const std::string& architecture, const NetworkConfig& config,
                                                        uint64_t seed) {
  const ImageGraph network = random_image_network(architecture, config, seed);
  return std::unique_ptr<ImageNetwork>(new ImageNetwork(std::make_unique<State>(architecture, network)));
}

const std::string& ImageNetwork::architecture() const { return state_->architecture; }
int ImageNetwork::dim() const { return state_->facts.dim; }
int ImageNetwork::classes() const { return state_->facts.classes; }
int ImageNetwork::input_size() const { return state_->facts.input_size; }
int ImageNetwork::least_size() const { return state_->facts.least_size; }

FeatureMapShape ImageNetwork::feature_map_shape(int height, int width) const {
  state_->check_size(height, width);
  return state_->on_pictures(height, width, [&] {
    const Graph graph = select_outputs(state_->graph, {"feature_map"});
    const Shape shape = value_shapes(graph, height, width)[graph.outputs.at("feature_map")];
    return FeatureMapShape{static_cast<int>(shape.channels), static_cast<int>(shape.height),
                           static_cast<int>(shape.width)};
  });
}

void ImageNetwork::run(const float* pixels, int n, int height, int width, const ImageOutputs& out) const {
  state_->check_size(height, width);
  const auto check = [n](const MatrixView<float>& view, int cols, const char* name) {
    require(!view.data || (view.rows == n && view.cols == cols), name, ": expected (", n, ", ", cols, "), got (",
            view.rows, ", ", view.cols, ")");
  };
  check(out.features, dim(), "features");
  check(out.logits, classes(), "logits");
  const PlanKey key{height, width, out.features.data != nullptr, out.logits.data != nullptr,
                    out.feature_map != nullptr};
  if (n == 0 || !(key.features || key.logits || key.feature_map)) return;
  const SingleThreaded guard;
  const auto memory = state_->memories.borrow();
  state_->on_pictures(height, width, [&] {
    ImagePlan& plan = state_->plan(*memory, key);
    const int64_t map_size = key.feature_map ? plan.shape("feature_map").count() : 0;
    std::vector<std::pair<std::string, float*>> outputs;
    for (int64_t i = 0; i < n; ++i) {
      outputs.clear();
      if (key.features) outputs.emplace_back("features", out.features.row(i));
      if (key.logits) outputs.emplace_back("logits", out.logits.row(i));
      if (key.feature_map) outputs.emplace_back("feature_map", out.feature_map + i * map_size);
      plan.run(pixels + i * 3 * height * width, outputs);
    }
  });
}

}  // namespace pictrieve
