#include "pictrieve/runtime/image_network.h"

#include <omp.h>

#include <list>
#include <optional>
#include <utility>
#include <vector>

#include "pictrieve/base/error.h"
#include "pictrieve/base/pool.h"
#include "pictrieve/nn/frozen.h"
#include "pictrieve/runtime/fusion.h"
#include "pictrieve/runtime/image_plan.h"
#include "pictrieve/runtime/row_plan.h"

namespace pictrieve {
namespace {

constexpr size_t kPlansKept = 8;

/// oneDNN plans for the OpenMP budget of the thread that creates and runs a primitive.
class SingleThreaded {
 public:
  SingleThreaded() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~SingleThreaded() { omp_set_num_threads(before_); }
  SingleThreaded(const SingleThreaded&) = delete;
  SingleThreaded& operator=(const SingleThreaded&) = delete;

 private:
  int before_;
};

struct PlanKey {
  int height, width;
  bool features, feature_map;
  bool operator==(const PlanKey&) const = default;
};

/// What one run needs besides the weights.
struct WorkingMemory {
  std::list<std::pair<PlanKey, ImagePlan>> plans;  ///< latest used first
  RowWorkspace workspace;
  std::vector<float> pooled;
};

}  // namespace

struct ImageNetwork::State {
  State(const std::string& name, const ImageGraph& network)
      : architecture(name),
        dim(network.dim),
        classes(network.classes),
        input_size(network.input_size),
        graph(fuse_operations(network.graph)) {
    if (graph.outputs.count("logits")) head.emplace(graph_between(graph, "features", "logits"));
  }

  ImagePlan& plan(WorkingMemory& memory, const PlanKey& key) {
    for (auto it = memory.plans.begin(); it != memory.plans.end(); ++it) {
      if (!(it->first == key)) continue;
      memory.plans.splice(memory.plans.begin(), memory.plans, it);
      return memory.plans.front().second;
    }
    std::vector<std::string> names;
    if (key.features) names.push_back("features");
    if (key.feature_map) names.push_back("feature_map");
    memory.plans.emplace_front(key, ImagePlan(select_outputs(graph, names), weights, key.height, key.width));
    if (memory.plans.size() > kPlansKept) memory.plans.pop_back();
    return memory.plans.front().second;
  }

  std::string architecture;
  int dim, classes, input_size;
  Graph graph;
  PackedWeights weights;
  std::optional<RowPlan> head;
  Pool<WorkingMemory> memories;
};

ImageNetwork::ImageNetwork(std::unique_ptr<State> state) : state_(std::move(state)) {}
ImageNetwork::~ImageNetwork() = default;

std::unique_ptr<ImageNetwork> ImageNetwork::load(const std::string& architecture, const StateDict& weights) {
  const ImageGraph network = freeze_image_network(architecture, weights);
  return std::unique_ptr<ImageNetwork>(new ImageNetwork(std::make_unique<State>(architecture, network)));
}

std::unique_ptr<ImageNetwork> ImageNetwork::load_random(const std::string& architecture, uint64_t seed) {
  const ImageGraph network = random_image_network(architecture, seed);
  return std::unique_ptr<ImageNetwork>(new ImageNetwork(std::make_unique<State>(architecture, network)));
}

const std::string& ImageNetwork::architecture() const { return state_->architecture; }
int ImageNetwork::dim() const { return state_->dim; }
int ImageNetwork::classes() const { return state_->classes; }
int ImageNetwork::input_size() const { return state_->input_size; }

FeatureMapShape ImageNetwork::feature_map_shape(int height, int width) const {
  const SingleThreaded guard;
  PackedWeights none;
  const auto shape =
      ImagePlan(select_outputs(state_->graph, {"feature_map"}), none, height, width).shape("feature_map");
  return {static_cast<int>(shape[0]), static_cast<int>(shape[1]), static_cast<int>(shape[2])};
}

void ImageNetwork::run(const float* pixels, int n, int height, int width, const ImageOutputs& out) const {
  require(height >= 1 && width >= 1, "pixels: expected at least 1 x 1, got ", height, " x ", width);
  const auto check = [n](const MatrixView<float>& view, int cols, const char* name) {
    require(!view.data || (view.rows == n && view.cols == cols), name, ": expected (", n, ", ", cols, "), got (",
            view.rows, ", ", view.cols, ")");
  };
  check(out.features, dim(), "features");
  check(out.logits, classes(), "logits");
  const PlanKey key{height, width, out.features.data || out.logits.data, out.feature_map != nullptr};
  if (n == 0 || !(key.features || key.feature_map)) return;
  const SingleThreaded guard;
  const auto memory = state_->memories.borrow();
  float* features = out.features.data;
  if (!features && out.logits.data) {
    memory->pooled.resize(static_cast<size_t>(n) * dim());
    features = memory->pooled.data();
  }
  try {
    ImagePlan& plan = state_->plan(*memory, key);
    std::vector<std::pair<std::string, float*>> outputs;
    for (int i = 0; i < n; ++i) {
      outputs.clear();
      if (key.features) outputs.emplace_back("features", features + int64_t{i} * dim());
      if (key.feature_map) {
        const auto shape = plan.shape("feature_map");
        outputs.emplace_back("feature_map", out.feature_map + i * shape[0] * shape[1] * shape[2]);
      }
      plan.run(pixels + int64_t{i} * 3 * height * width, outputs);
    }
  } catch (const dnnl::error& error) {
    throw Error(
        message("image network ", state_->architecture, " on ", height, " x ", width, " pixels: ", error.what()));
  }
  if (out.logits.data)
    state_->head->run({{{"features", features, nullptr}}, n, {}}, memory->workspace, out.logits.data);
}

}  // namespace pictrieve
