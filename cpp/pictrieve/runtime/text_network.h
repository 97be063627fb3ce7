// A text network frozen for serving: packed tokens without padding.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "pictrieve/base/matrix.h"
#include "pictrieve/nn/bert_config.h"

namespace pictrieve {

class StateDict;

/// How a text's token vectors become one vector.
enum class Pooling { kMean, kFirst };

class TextNetwork {
 public:
  /// Builds the encoder on these weights. Large tables (word embeddings) stay borrowed and keep the state dict's file
  /// mapped; linear layers are packed in parallel. Throws FormatError where a key is missing, extra or misshapen, and
  /// std::invalid_argument for a configuration that makes no sense.
  static std::unique_ptr<TextNetwork> load(const BertConfig& config, const StateDict& weights);
  /// The same network with seeded random weights.
  static std::unique_ptr<TextNetwork> load_random(const BertConfig& config, uint64_t seed);
  ~TextNetwork();

  const BertConfig& config() const;
  int dim() const { return config().hidden_size; }
  int max_tokens() const { return config().max_position_embeddings; }  ///< longest text, special tokens included
  /// Tokens per run() at which one thread is fastest: give threads pieces of about this many tokens.
  int preferred_tokens() const;

  /// Encodes packed texts: text i is ids[offsets[i] .. offsets[i + 1]), special tokens included, so `offsets` holds one
  /// entry more than there are texts, begins with 0 and ends with ids.size(). Each text has 1 .. max_tokens() tokens,
  /// all of segment 0. Writes `rows` (texts, dim), not normalised. It runs on the calling thread; any number of threads
  /// may call it at once.
  void run(std::span<const int32_t> ids, std::span<const int64_t> offsets, Pooling pooling,
           MatrixView<float> rows) const;

  /// The last hidden state of each token, `out` (ids.size(), dim), in the order of `ids`.
  void hidden_states(std::span<const int32_t> ids, std::span<const int64_t> offsets, MatrixView<float> out) const;

 private:
  struct State;
  explicit TextNetwork(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace pictrieve
