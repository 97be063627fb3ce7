#include "pictrieve/runtime/text_network.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "pictrieve/base/error.h"
#include "pictrieve/base/pool.h"
#include "pictrieve/nn/frozen.h"
#include "pictrieve/runtime/fusion.h"
#include "pictrieve/runtime/row_plan.h"
#include "pictrieve/runtime/token_kernels.h"

namespace pictrieve {
namespace {

constexpr int kPreferredTokens = 1024;

/// What one run needs besides the weights.
struct WorkingMemory {
  RowWorkspace workspace;
  std::vector<int32_t> positions;
  std::vector<int32_t> segments;
  Matrix<float> hidden;
};

void check_texts(std::span<const int32_t> ids, std::span<const int64_t> offsets, const BertConfig& config) {
  require(!offsets.empty() && offsets.front() == 0 && offsets.back() == static_cast<int64_t>(ids.size()),
          "texts: expected offsets from 0 to the number of ids, ", ids.size());
  for (size_t i = 0; i + 1 < offsets.size(); ++i) {
    const int64_t length = offsets[i + 1] - offsets[i];
    require(length >= 1 && length <= config.max_position_embeddings, "text ", i, ": expected 1 to ",
            config.max_position_embeddings, " tokens, got ", length);
  }
  for (const int32_t id : ids)
    require(id >= 0 && id < config.vocab_size, "token ids: expected 0 to ", config.vocab_size - 1, ", got ", id);
}

}  // namespace

struct TextNetwork::State {
  State(const Graph& graph, const BertConfig& bert)
      : config(bert), plan(merge_attention_inputs(fuse_operations(graph))) {}

  void hidden_states(std::span<const int32_t> ids, std::span<const int64_t> offsets, WorkingMemory& memory,
                     float* out) const {
    memory.positions.resize(ids.size());
    memory.segments.assign(ids.size(), 0);
    for (size_t i = 0; i + 1 < offsets.size(); ++i)
      for (int64_t j = offsets[i]; j < offsets[i + 1]; ++j) memory.positions[j] = static_cast<int32_t>(j - offsets[i]);
    const RowBatch batch{{{"ids", nullptr, ids.data()},
                          {"positions", nullptr, memory.positions.data()},
                          {"segments", nullptr, memory.segments.data()}},
                         static_cast<int64_t>(ids.size()),
                         offsets};
    plan.run(batch, memory.workspace, out);
  }

  BertConfig config;
  RowPlan plan;
  Pool<WorkingMemory> memories;
};

TextNetwork::TextNetwork(std::unique_ptr<State> state) : state_(std::move(state)) {}
TextNetwork::~TextNetwork() = default;

std::unique_ptr<TextNetwork> TextNetwork::load(const BertConfig& config, const StateDict& weights) {
  const Graph graph = freeze_text_network(config, weights);
  return std::unique_ptr<TextNetwork>(new TextNetwork(std::make_unique<State>(graph, config)));
}

std::unique_ptr<TextNetwork> TextNetwork::load_random(const BertConfig& config, uint64_t seed) {
  const Graph graph = random_text_network(config, seed);
  return std::unique_ptr<TextNetwork>(new TextNetwork(std::make_unique<State>(graph, config)));
}

const BertConfig& TextNetwork::config() const { return state_->config; }
int TextNetwork::preferred_tokens() const { return kPreferredTokens; }

void TextNetwork::run(std::span<const int32_t> ids, std::span<const int64_t> offsets, Pooling pooling,
                      MatrixView<float> rows) const {
  check_texts(ids, offsets, config());
  require(rows.rows == static_cast<int64_t>(offsets.size()) - 1 && rows.cols == dim(), "rows: expected (",
          offsets.size() - 1, ", ", dim(), "), got (", rows.rows, ", ", rows.cols, ")");
  const auto memory = state_->memories.borrow();
  const int64_t tokens = static_cast<int64_t>(ids.size());
  if (memory->hidden.rows() < tokens) memory->hidden = Matrix<float>(tokens, dim());
  state_->hidden_states(ids, offsets, *memory, memory->hidden.data());
  for (int64_t i = 0; i < rows.rows; ++i) {
    const int64_t end = pooling == Pooling::kFirst ? offsets[i] + 1 : offsets[i + 1];
    mean_of_rows(memory->hidden.view().slice(offsets[i], end), rows.row(i));
  }
}

void TextNetwork::hidden_states(std::span<const int32_t> ids, std::span<const int64_t> offsets,
                                MatrixView<float> out) const {
  check_texts(ids, offsets, config());
  require(out.rows == static_cast<int64_t>(ids.size()) && out.cols == dim(), "out: expected (", ids.size(), ", ", dim(),
          "), got (", out.rows, ", ", out.cols, ")");
  state_->hidden_states(ids, offsets, *state_->memories.borrow(), out.data);
}

}  // namespace pictrieve
