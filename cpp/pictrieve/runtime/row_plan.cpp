#include "pictrieve/runtime/row_plan.h"

#include <algorithm>
#include <array>
#include <utility>

#include "pictrieve/base/error.h"
#include "pictrieve/base/matrix.h"
#include "pictrieve/base/parallel.h"
#include "pictrieve/runtime/attention.h"
#include "pictrieve/runtime/attention_bias.h"
#include "pictrieve/runtime/row_operations.h"

namespace pictrieve {
namespace {

// Rows that go through a whole run of row-wise operations together, so that what lies between them stays in cache.
constexpr int64_t kRowBlock = 192;

}  // namespace

float* RowWorkspace::buffer(size_t slot, int64_t count) {
  if (slot >= buffers_.size()) buffers_.resize(slot + 1);
  Buffer& buffer = buffers_[slot];
  if (buffer.count < count) buffer = {aligned_array<float>(count), count};
  return buffer.data.get();
}

struct RowPlan::Run {
  const RowBatch& batch;
  RowWorkspace& workspace;
  std::vector<float*> values;       ///< by node: its first row, or the first row of the block
  std::vector<const int32_t*> ids;  ///< by node: an Input of ids
};

RowPlan::RowPlan(Graph graph, int64_t input_width) : graph_(std::move(graph)), values_(graph_.nodes.size()) {
  require(graph_.outputs.size() == 1, "row plan: expected a graph of one output, got ", graph_.outputs.size());
  output_ = graph_.outputs.begin()->second;
  require(graph_.nodes[output_].kind != OpKind::Input, "row plan: expected an output that is computed");
  measure(input_width);
  divide();
  find_locals();
  place();
  pack();
}

/// Whether a segment computes this node: inputs are given, columns are read where they are.
bool RowPlan::computed(int node) const {
  return graph_.nodes[node].kind != OpKind::Input && values_[node].source == node;
}

void RowPlan::measure(int64_t input_width) {
  for (int i = 0; i < static_cast<int>(graph_.nodes.size()); ++i) {
    const Node& node = graph_.nodes[i];
    Value& value = values_[i];
    value.source = i;
    value.width = input_width;
    if (node.kind == OpKind::Input) continue;
    std::vector<int64_t> widths;
    for (const int input : node.inputs) widths.push_back(values_[input].width);
    value.width = row_width(node, widths);
    if (node.kind != OpKind::Columns || node.activation != Activation::None || i == output_) continue;
    value.source = values_[node.inputs[0]].source;
    value.begin = values_[node.inputs[0]].begin + node.begin;
  }
}

void RowPlan::divide() {
  segment_of_.assign(graph_.nodes.size(), -1);
  for (int i = 0; i < static_cast<int>(graph_.nodes.size()); ++i) {
    if (!computed(i)) continue;
    const bool attention = graph_.nodes[i].kind == OpKind::Attention;
    if (attention || segments_.empty() || segments_.back().attention) segments_.push_back({i, i + 1, attention});
    segments_.back().end = i + 1;
    segment_of_[i] = static_cast<int>(segments_.size()) - 1;
  }
}

/// A value that only its own segment reads lives for one block of rows.
void RowPlan::find_locals() {
  for (size_t i = 0; i < values_.size(); ++i)
    values_[i].local = segment_of_[i] >= 0 && !segments_[segment_of_[i]].attention && static_cast<int>(i) != output_;
  for (size_t i = 0; i < values_.size(); ++i) {
    if (segment_of_[i] < 0) continue;
    for (const int input : graph_.nodes[i].inputs) {
      const int source = values_[input].source;
      if (segment_of_[source] != segment_of_[i]) values_[source].local = false;
    }
  }
}

/// Gives each value a slot of memory; slots are used again once nobody reads their value.
void RowPlan::place() {
  const int count = static_cast<int>(graph_.nodes.size());
  std::vector<int> last_use(count, -1);
  for (int i = 0; i < count; ++i) {
    if (segment_of_[i] < 0) continue;
    last_use[i] = i;  // for what nobody reads
    for (const int input : graph_.nodes[i].inputs) last_use[values_[input].source] = i;
  }
  // A value that all rows share frees its slot after a whole segment, a local one after its last reader.
  struct Slot {
    bool local;
    int free_after;
  };
  std::vector<Slot> slots;
  for (int i = 0; i < count; ++i) {
    if (segment_of_[i] < 0 || i == output_) continue;
    const bool local = values_[i].local;
    const int now = local ? i : segments_[segment_of_[i]].begin;
    const int until = local ? last_use[i] : segments_[segment_of_[last_use[i]]].end - 1;
    int slot = 0;
    while (slot < static_cast<int>(slots.size()) && (slots[slot].local != local || slots[slot].free_after >= now))
      ++slot;
    if (slot == static_cast<int>(slots.size())) slots.push_back({});
    slots[slot] = {local, until};
    values_[i].slot = slot;
  }
  slots_ = static_cast<int>(slots.size());
}

void RowPlan::pack() {
  matrices_.resize(graph_.nodes.size());
  parallel_for(static_cast<int64_t>(graph_.nodes.size()), 1, [&](int64_t begin, int64_t end, Worker) {
    for (int64_t i = begin; i < end; ++i) {
      Node& node = graph_.nodes[i];
      if (node.kind != OpKind::Linear) continue;
      matrices_[i] =
          pack_matrix(node.weights[0].data, node.weights[1].data, node.weights[0].shape[0], node.weights[0].shape[1]);
      node.weights.clear();
    }
  });
}

void RowPlan::run(const RowBatch& batch, RowWorkspace& workspace, float* out) const {
  Run run{batch, workspace, std::vector<float*>(graph_.nodes.size()), std::vector<const int32_t*>(graph_.nodes.size())};
  std::vector<int64_t> sizes(slots_, 0);
  for (const Value& value : values_) {
    if (value.slot < 0) continue;
    const int64_t rows = value.local ? std::min(kRowBlock, batch.rows) : batch.rows;
    sizes[value.slot] = std::max(sizes[value.slot], rows * value.width);
  }
  for (size_t i = 0; i < graph_.nodes.size(); ++i) {
    const Node& node = graph_.nodes[i];
    for (const RowInput& input : batch.inputs) {
      if (node.kind != OpKind::Input || input.name != node.name) continue;
      run.values[i] = const_cast<float*>(input.rows);
      run.ids[i] = input.ids;
    }
    if (values_[i].slot >= 0) run.values[i] = workspace.buffer(values_[i].slot, sizes[values_[i].slot]);
  }
  run.values[output_] = out;
  for (const Segment& segment : segments_) {
    if (segment.attention) {
      execute_attention(run, segment.begin);
      continue;
    }
    for (int64_t begin = 0; begin < batch.rows; begin += kRowBlock)
      for (int node = segment.begin; node < segment.end; ++node)
        if (computed(node)) execute(run, node, begin, std::min(kRowBlock, batch.rows - begin));
  }
}

/// The value of a node from row `begin` on, which is the first of the block.
RowView RowPlan::rows_of(const Run& run, int node, int64_t begin) const {
  const Value& source = values_[values_[node].source];
  const float* rows = run.values[values_[node].source];
  if (!rows) return {};  // ids
  return RowView{rows, source.width}.from(source.local ? 0 : begin).columns(values_[node].begin);
}

void RowPlan::execute_attention(const Run& run, int index) const {
  const Node& node = graph_.nodes[index];
  const std::span<const int64_t> offsets = run.batch.offsets;
  const int64_t width = values_[index].width;
  std::array<RowView, 3> rows;  // queries, keys, values
  for (int part = 0; part < 3; ++part) {
    const bool merged = node.inputs.size() == 1;
    rows[part] = merged ? rows_of(run, node.inputs[0], 0).columns(part * width) : rows_of(run, node.inputs[part], 0);
  }
  int64_t longest = 0;
  for (size_t text = 0; text + 1 < offsets.size(); ++text)
    longest = std::max(longest, offsets[text + 1] - offsets[text]);
  AttentionInput input = attention_input(node.attention, width);
  AttentionBias bias;
  if (node.attention.bias != RelativeBias::None) bias = AttentionBias(node.attention, node.weights[0], longest);
  float* scratch = run.workspace.buffer(slots_, attention_scratch(longest, input.head_dim));
  for (size_t text = 0; text + 1 < offsets.size(); ++text) {
    const int64_t begin = offsets[text];
    input.queries = rows[0].from(begin);
    input.keys = rows[1].from(begin);
    input.values = rows[2].from(begin);
    input.query_count = input.length = offsets[text + 1] - begin;
    if (bias.length() > 0) bias.apply(input);
    attend(input, scratch, run.values[index] + begin * width);
  }
}

void RowPlan::execute(const Run& run, int index, int64_t begin, int64_t count) const {
  const Node& node = graph_.nodes[index];
  RowOperands operands{.rows = count, .width = values_[index].width, .matrix = &matrices_[index]};
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    operands.inputs[i] = rows_of(run, node.inputs[i], begin);
    if (const int32_t* ids = run.ids[node.inputs[i]]) operands.ids = ids + begin;
  }
  operands.out = run.values[index] + (values_[index].local ? 0 : begin * operands.width);
  execute_row_operation(node, operands);
}

}  // namespace pictrieve
