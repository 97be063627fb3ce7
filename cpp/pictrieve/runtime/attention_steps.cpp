// Steps of attention: over tokens, in windows of a picture, and of one query over tokens.
#include <algorithm>
#include <array>
#include <memory>

#include "pictrieve/nn/relative_bias.h"
#include "pictrieve/runtime/attention.h"
#include "pictrieve/runtime/attention_bias.h"
#include "pictrieve/runtime/image_plan_builder.h"
#include "pictrieve/runtime/picture_kernels.h"

namespace pictrieve {
namespace {

struct AttentionStep {
  std::array<RowMemory, 3> sources;  ///< queries, keys and values
  bool merged = false;               ///< the first holds all three, one after the other
  AttentionInput input;
  AttentionBias bias;
  RowMemory scratch;
  RowMemory result;
  // In windows:
  std::vector<int32_t> places;   ///< of the pixels, window by window
  std::vector<int32_t> regions;  ///< of the same pixels, none where the picture is not shifted
  RowMemory window;              ///< queries, keys, values and result of one

  int64_t width() const { return int64_t{input.heads} * input.head_dim; }
  RowView source(int64_t part) const {
    return merged ? sources[0].view().columns(part * width()) : sources[part].view();
  }

  AttentionInput with(const RowView& queries, const RowView& keys, const RowView& values) const {
    AttentionInput complete = input;
    complete.queries = queries;
    complete.keys = keys;
    complete.values = values;
    if (bias.length() > 0) bias.apply(complete);
    return complete;
  }

  void run() const {
    if (!places.empty()) return run_windows();
    attend(with(source(0), source(1), source(2)), scratch.data(), result.data());
  }

  void run_windows() const {
    std::array<float*, 4> parts{};
    for (int64_t part = 0; part < 4; ++part) parts[part] = window.data() + part * input.length * width();
    AttentionInput here = with({parts[0], width()}, {parts[1], width()}, {parts[2], width()});
    const std::span<const int32_t> all(places);
    for (size_t first = 0; first < places.size(); first += here.length) {
      const auto rows = all.subspan(first, here.length);
      for (int64_t part = 0; part < 3; ++part) gather_rows(source(part), rows, width(), parts[part]);
      here.regions = regions.empty() ? nullptr : regions.data() + first;
      attend(here, scratch.data(), parts[3]);
      scatter_rows(parts[3], rows, width(), result.data());
    }
  }
};

/// Regions of the pixels of a shifted picture, window by window.
std::vector<int32_t> regions_of_windows(const AttentionOptions& options, const Shape& shape) {
  if (shift_along(options, shape.height) == 0 && shift_along(options, shape.width) == 0) return {};
  const std::vector<int64_t> regions = shift_regions(options, shape.height, shape.width);
  AttentionOptions rolled = options;
  rolled.rolled = true;
  std::vector<int32_t> ordered = window_rows(shape, rolled);
  for (int32_t& place : ordered) place = static_cast<int32_t>(regions[place]);
  return ordered;
}

}  // namespace

ImagePlanBuilder::Tensor ImagePlanBuilder::attention(int index) {
  const Node& node = graph_.nodes[index];
  const AttentionOptions& options = node.attention;
  const Shape& shape = shapes_[index];
  const auto step = std::make_shared<AttentionStep>();
  const Tensor result = new_tensor(row_layout(shape));
  std::vector<Tensor> touched{result};
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    touched.push_back(rows(node.inputs[i]));
    step->sources[i] = RowMemory(touched.back().memory);
  }
  step->merged = node.inputs.size() == 1;
  step->result = RowMemory(result.memory);
  step->input = attention_input(options, shape.channels);
  const bool pool = node.kind == OpKind::AttentionPool;
  const int64_t length =
      options.window > 0 ? int64_t{options.window} * options.window : shapes_[node.inputs[pool ? 1 : 0]].rows();
  step->input.length = length;
  step->input.query_count = pool ? 1 : length;
  if (options.bias != RelativeBias::None) step->bias = AttentionBias(options, node.weights[0], length);
  touched.push_back(new_scratch(attention_scratch(length, step->input.head_dim)));
  step->scratch = RowMemory(touched.back().memory);
  if (options.window > 0) {
    step->places = window_rows(shape, options);
    step->regions = regions_of_windows(options, shape);
    touched.push_back(new_scratch(4 * length * shape.channels));
    step->window = RowMemory(touched.back().memory);
  }
  work([step] { step->run(); }, touched);
  return result;
}

}  // namespace pictrieve
