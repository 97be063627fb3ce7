#include "pictrieve/runtime/text_network.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "pictrieve/base/error.h"
#include "pictrieve/base/names.h"
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
  Matrix<float> pooled;
};

void check_texts(std::span<const int32_t> ids, std::span<const int64_t> offsets, const TextFacts& network) {
  require(!offsets.empty() && offsets.front() == 0 && offsets.back() == static_cast<int64_t>(ids.size()),
          "texts: expected offsets from 0 to the number of ids, ", ids.size());
  for (size_t i = 0; i + 1 < offsets.size(); ++i) {
    const int64_t length = offsets[i + 1] - offsets[i];
    require(length >= 1 && length <= network.max_tokens, "text ", i, ": expected 1 to ", network.max_tokens,
            " tokens, got ", length);
  }
  for (const int32_t id : ids)
    require(id >= 0 && id < network.vocab_size, "token ids: expected 0 to ", network.vocab_size - 1, ", got ", id);
}

constexpr std::pair<std::string_view, Pooling> kPoolings[] = {{"mean", Pooling::Mean},
                                                              {"cls", Pooling::First},
                                                              {"max", Pooling::Max},
                                                              {"last", Pooling::Last},
                                                              {"weighted_mean", Pooling::WeightedMean}};

/// One vector of a text's `hidden` (tokens, width).
void pool(MatrixView<const float> hidden, Pooling pooling, float* out) {
  const int64_t last = hidden.rows - 1;
  switch (pooling) {
    case Pooling::Mean:
      return mean_of_rows(hidden, out);
    case Pooling::First:
      return mean_of_rows(hidden.slice(0, 1), out);
    case Pooling::Last:
      return mean_of_rows(hidden.slice(last, last + 1), out);
    case Pooling::Max:
      return max_of_rows(hidden, out);
    case Pooling::WeightedMean:
      return weighted_mean_of_rows(hidden, out);
  }
}

}  // namespace

Pooling pooling_named(const std::string& name) { return value_named("pooling", name, kPoolings); }

struct TextNetwork::State {
  explicit State(const TextGraph& network)
      : facts(network), plan(merge_attention_inputs(fuse_operations(network.graph))) {
    if (!network.projection.nodes.empty()) projection.emplace(fuse_operations(network.projection), network.hidden);
  }

  void hidden_states(std::span<const int32_t> ids, std::span<const int64_t> offsets, WorkingMemory& memory,
                     float* out) const {
    memory.positions.resize(ids.size());
    memory.segments.assign(ids.size(), 0);
    for (size_t i = 0; i + 1 < offsets.size(); ++i)
      for (int64_t j = offsets[i]; j < offsets[i + 1]; ++j)
        memory.positions[j] = static_cast<int32_t>(j - offsets[i]) + facts.position_offset;
    const RowBatch batch{{{"ids", nullptr, ids.data()},
                          {"positions", nullptr, memory.positions.data()},
                          {"segments", nullptr, memory.segments.data()}},
                         static_cast<int64_t>(ids.size()),
                         offsets};
    plan.run(batch, memory.workspace, out);
  }

  TextFacts facts;
  RowPlan plan;
  std::optional<RowPlan> projection;
  Pool<WorkingMemory> memories;
};

TextNetwork::TextNetwork(std::unique_ptr<State> state) : state_(std::move(state)) {}
TextNetwork::~TextNetwork() = default;

std::unique_ptr<TextNetwork> TextNetwork::load(const std::string& architecture, const NetworkConfig& config,
                                               const StateDict& weights) {
  const TextGraph network = freeze_text_network(architecture, config, weights);
  return std::unique_ptr<TextNetwork>(new TextNetwork(std::make_unique<State>(network)));
}

std::unique_ptr<TextNetwork> TextNetwork::load_random(const std::string& architecture, const NetworkConfig& config,
                                                      uint64_t seed) {
  const TextGraph network = random_text_network(architecture, config, seed);
  return std::unique_ptr<TextNetwork>(new TextNetwork(std::make_unique<State>(network)));
}

int TextNetwork::dim() const { return state_->facts.dim; }
int TextNetwork::hidden_size() const { return state_->facts.hidden; }
int TextNetwork::vocab_size() const { return state_->facts.vocab_size; }
int TextNetwork::max_tokens() const { return state_->facts.max_tokens; }
const std::string& TextNetwork::pooling() const { return state_->facts.pooling; }
int TextNetwork::preferred_tokens() const { return kPreferredTokens; }

void TextNetwork::run(std::span<const int32_t> ids, std::span<const int64_t> offsets, Pooling pooling,
                      MatrixView<float> rows) const {
  check_texts(ids, offsets, state_->facts);
  require(rows.rows == static_cast<int64_t>(offsets.size()) - 1 && rows.cols == dim(), "rows: expected (",
          offsets.size() - 1, ", ", dim(), "), got (", rows.rows, ", ", rows.cols, ")");
  const auto memory = state_->memories.borrow();
  const int64_t tokens = static_cast<int64_t>(ids.size());
  if (memory->hidden.rows() < tokens) memory->hidden = Matrix<float>(tokens, hidden_size());
  state_->hidden_states(ids, offsets, *memory, memory->hidden.data());
  if (state_->projection && memory->pooled.rows() < rows.rows) memory->pooled = Matrix<float>(rows.rows, hidden_size());
  const MatrixView<float> pooled = state_->projection ? memory->pooled.view().slice(0, rows.rows) : rows;
  for (int64_t i = 0; i < rows.rows; ++i)
    pool(memory->hidden.view().slice(offsets[i], offsets[i + 1]), pooling, pooled.row(i));
  if (!state_->projection) return;
  state_->projection->run({{{"pooled", pooled.data, nullptr}}, rows.rows, {}}, memory->workspace, rows.data);
}

void TextNetwork::hidden_states(std::span<const int32_t> ids, std::span<const int64_t> offsets,
                                MatrixView<float> out) const {
  check_texts(ids, offsets, state_->facts);
  require(out.rows == static_cast<int64_t>(ids.size()) && out.cols == hidden_size(), "out: expected (", ids.size(),
          ", ", hidden_size(), "), got (", out.rows, ", ", out.cols, ")");
  state_->hidden_states(ids, offsets, *state_->memories.borrow(), out.data);
}

}  // namespace pictrieve
