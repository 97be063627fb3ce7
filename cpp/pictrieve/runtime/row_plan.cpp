#include "pictrieve/runtime/row_plan.h"

#include <algorithm>
#include <utility>

#include "pictrieve/base/error.h"
#include "pictrieve/base/matrix.h"
#include "pictrieve/base/parallel.h"
#include "pictrieve/runtime/token_kernels.h"

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

RowPlan::RowPlan(Graph graph) : graph_(std::move(graph)), values_(graph_.nodes.size()) {
  require(graph_.outputs.size() == 1, "row plan: expected a graph of one output, got ", graph_.outputs.size());
  output_ = graph_.outputs.begin()->second;
  measure();
  divide();
  place();
  pack();
}

void RowPlan::measure() {
  for (size_t i = 0; i < graph_.nodes.size(); ++i) {
    const Node& node = graph_.nodes[i];
    const int64_t input_width = node.inputs.empty() ? 0 : values_[node.inputs[0]].width;
    switch (node.kind) {
      case OpKind::Input:
        break;  // known when it is read
      case OpKind::Linear:
        values_[i].width = node.weights[0].shape[0];
        break;
      case OpKind::Embedding:
        values_[i].width = node.weights[0].shape[1];
        break;
      case OpKind::LayerNorm:
        values_[i].width = node.weights[0].shape[0];
        break;
      case OpKind::Attention:
        values_[i].width = node.inputs.size() == 1 ? input_width / 3 : input_width;
        break;
      case OpKind::Add:
      case OpKind::Activate:
        values_[i].width = input_width;
        break;
      default:
        require(false, "row plan: operation ", static_cast<int>(node.kind), " works on pictures, not on rows");
    }
  }
}

void RowPlan::divide() {
  for (int i = 0; i < static_cast<int>(graph_.nodes.size()); ++i) {
    const OpKind kind = graph_.nodes[i].kind;
    if (kind == OpKind::Input) continue;
    const bool attention = kind == OpKind::Attention;
    const bool extends = !attention && !segments_.empty() && !segments_.back().attention && segments_.back().end == i;
    if (extends) {
      segments_.back().end = i + 1;
    } else {
      segments_.push_back({i, i + 1, attention});
    }
  }
}

/// Gives each value a slot of memory; slots are used again once nobody reads their value.
void RowPlan::place() {
  const int count = static_cast<int>(graph_.nodes.size());
  std::vector<int> segment_of(count, -1), last_use(count, -1);
  for (int s = 0; s < static_cast<int>(segments_.size()); ++s)
    std::fill(segment_of.begin() + segments_[s].begin, segment_of.begin() + segments_[s].end, s);
  for (int i = 0; i < count; ++i) {
    values_[i].local = segment_of[i] >= 0 && !segments_[segment_of[i]].attention;
    for (const int input : graph_.nodes[i].inputs) {
      last_use[input] = i;
      if (segment_of[input] != segment_of[i]) values_[input].local = false;
    }
  }
  // A value that all rows share frees its slot after a whole segment, a local one after its last reader.
  struct Slot {
    bool local;
    int free_after;
  };
  std::vector<Slot> slots;
  for (int i = 0; i < count; ++i) {
    if (segment_of[i] < 0 || i == output_) continue;
    const bool local = values_[i].local;
    const int now = local ? i : segments_[segment_of[i]].begin;
    const int until = local ? last_use[i] : segments_[segment_of[last_use[i]]].end - 1;
    int slot = 0;
    while (slot < static_cast<int>(slots.size()) && (slots[slot].local != local || slots[slot].free_after >= now))
      ++slot;
    if (slot == static_cast<int>(slots.size())) slots.push_back({});
    slots[slot] = {local, until};
    values_[i].slot = slot;
  }
  values_[output_].local = false;
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
    } else {
      execute_rows(run, segment);
    }
  }
}

void RowPlan::execute_rows(const Run& run, const Segment& segment) const {
  for (int64_t begin = 0; begin < run.batch.rows; begin += kRowBlock) {
    const int64_t count = std::min(kRowBlock, run.batch.rows - begin);
    for (int node = segment.begin; node < segment.end; ++node) execute(run, node, begin, count);
  }
}

void RowPlan::execute_attention(const Run& run, int index) const {
  const Node& node = graph_.nodes[index];
  const int64_t width = values_[index].width;
  const int head_dim = static_cast<int>(width / node.heads);
  const bool merged = node.inputs.size() == 1;
  const float* first = run.values[node.inputs[0]];
  const float* sources[] = {first, merged ? first + width : run.values[node.inputs[1]],
                            merged ? first + 2 * width : run.values[node.inputs[2]]};
  const int64_t stride = merged ? 3 * width : width;
  int64_t longest = 0;
  for (size_t text = 0; text + 1 < run.batch.offsets.size(); ++text)
    longest = std::max(longest, run.batch.offsets[text + 1] - run.batch.offsets[text]);
  float* scratch = run.workspace.buffer(slots_, attention_scratch(longest, head_dim));
  for (size_t text = 0; text + 1 < run.batch.offsets.size(); ++text) {
    const int64_t begin = run.batch.offsets[text], length = run.batch.offsets[text + 1] - begin;
    attend({sources[0] + begin * stride, sources[1] + begin * stride, sources[2] + begin * stride, stride, length,
            node.heads, head_dim},
           scratch, run.values[index] + begin * width);
  }
}

void RowPlan::execute(const Run& run, int index, int64_t begin, int64_t count) const {
  const Node& node = graph_.nodes[index];
  const auto rows_of = [&](int value) {
    const bool block = values_[value].local;
    return run.values[value] + (block ? 0 : begin * values_[value].width);
  };
  const int source = node.inputs[0];
  const int64_t width = values_[index].width;
  float* out = rows_of(index);
  const float* second = node.inputs.size() > 1 ? rows_of(node.inputs[1]) : nullptr;
  if (node.kind == OpKind::Linear) {
    const PackedMatrix& matrix = matrices_[index];
    const bool input = graph_.nodes[source].kind == OpKind::Input;
    const float* x = input ? run.values[source] + begin * matrix.inputs : rows_of(source);
    multiply(x, count, matrix, {second, node.activation}, out);
  } else if (node.kind == OpKind::LayerNorm) {
    layer_norm_rows({rows_of(source), count, width}, {node.weights[0].data, node.weights[1].data, node.epsilon}, out);
  } else if (node.kind == OpKind::Embedding) {
    for (int64_t i = 0; i < count; ++i) {
      const float* entry = node.weights[0].data + run.ids[source][begin + i] * width;
      if (second) {
        add_values(second + i * width, entry, width, out + i * width);
      } else {
        std::copy(entry, entry + width, out + i * width);
      }
    }
  } else if (node.kind == OpKind::Add) {
    add_values(rows_of(source), second, count * width, out);
    activate_rows(out, count * width, node.activation);
  } else {
    std::copy(rows_of(source), rows_of(source) + count * width, out);
    activate_rows(out, count * width, node.activation);
  }
}

}  // namespace pictrieve
