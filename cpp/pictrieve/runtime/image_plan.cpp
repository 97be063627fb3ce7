#include "pictrieve/runtime/image_plan.h"

#include "pictrieve/base/parallel.h"
#include "pictrieve/runtime/image_plan_builder.h"
#include "pictrieve/runtime/picture_memory.h"

namespace pictrieve {

void PackedWeights::add_matrices(const Graph& graph) {
  const std::lock_guard lock(mutex_);
  std::vector<std::pair<const Node*, PackedMatrix*>> missing;
  for (const Node& node : graph.nodes) {
    if (node.kind != OpKind::Linear) continue;
    const auto [place, added] = matrices_.try_emplace({node.weights[0].data, node.weights[1].data});
    if (added) missing.emplace_back(&node, &place->second);
  }
  parallel_for(static_cast<int64_t>(missing.size()), 1, [&](int64_t i, int64_t, Worker) {
    const auto& [node, packed] = missing[i];
    const Weight &weight = node->weights[0], &bias = node->weights[1];
    *packed = pack_matrix(weight.data, bias.data, weight.shape[0], weight.shape[1]);
  });
}

dnnl::memory PackedWeights::get(const Weight& weight, const dnnl::memory::desc& plain,
                                const dnnl::memory::desc& wanted) {
  const std::lock_guard lock(mutex_);
  std::vector<dnnl::memory>& layouts = packed_[weight.data];
  for (const dnnl::memory& packed : layouts)
    if (packed.get_desc() == wanted) return packed;
  dnnl::memory given(plain, cpu_engine(), const_cast<float*>(weight.data));
  dnnl::memory packed(wanted, cpu_engine());
  dnnl::stream stream(cpu_engine());
  dnnl::reorder(given, packed).execute(stream, given, packed);
  stream.wait();
  layouts.push_back(packed);
  return packed;
}

PackedMatrix PackedWeights::matrix(const Weight& weight, const Weight& bias) {
  const std::lock_guard lock(mutex_);
  PackedMatrix& packed = matrices_[{weight.data, bias.data}];
  if (!packed.panels) packed = pack_matrix(weight.data, bias.data, weight.shape[0], weight.shape[1]);
  return packed;
}

ImagePlan::ImagePlan(const Graph& graph, PackedWeights& weights, int height, int width) : stream_(cpu_engine()) {
  ImagePlanBuilder(graph, weights, *this).build(height, width);
}

void ImagePlan::run(const float* pixels, const std::vector<std::pair<std::string, float*>>& outputs) {
  input_.set_data_handle(const_cast<float*>(pixels));
  for (const auto& [name, data] : outputs) outputs_.at(name).set_data_handle(data);
  for (const Step& step : steps_) {
    if (step.work) {
      step.work();
    } else {
      step.primitive.execute(stream_, step.arguments);
    }
  }
  stream_.wait();
}

}  // namespace pictrieve
