// A text network frozen for serving: packed tokens without padding.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "pictrieve/base/matrix.h"

namespace pictrieve {

class NetworkConfig;
class StateDict;

/// How a text's token vectors become one vector. WeightedMean gives the i-th token, from 1, the weight i.
enum class Pooling { Mean, First, Max, Last, WeightedMean };

/// "mean", "cls", "max", "last" or "weighted_mean"; std::invalid_argument lists them.
Pooling pooling_named(const std::string& name);

class TextNetwork {
 public:
  /// Builds the network `architecture` (a name of text_architectures()) on these weights. Large tables (word
  /// embeddings) stay borrowed and keep the state dict's file mapped; linear layers are packed in parallel. Throws
  /// FormatError where a key is missing, extra or misshapen, and std::invalid_argument for a configuration that makes
  /// no sense.
  static std::unique_ptr<TextNetwork> load(const std::string& architecture, const NetworkConfig& config,
                                           const StateDict& weights);
  /// The same network with seeded random weights.
  static std::unique_ptr<TextNetwork> load_random(const std::string& architecture, const NetworkConfig& config,
                                                  uint64_t seed);
  ~TextNetwork();

  int dim() const;          ///< of a pooled text, projected where the network has a projection
  int hidden_size() const;  ///< of a token's vector
  int vocab_size() const;
  int max_tokens() const;              ///< of the longest text, special tokens included
  const std::string& pooling() const;  ///< what the network was trained with
  /// Tokens per run() at which one thread is fastest: give threads pieces of about this many tokens.
  int preferred_tokens() const;

  /// Encodes packed texts: text i is ids[offsets[i] .. offsets[i + 1]), special tokens included, so `offsets` holds one
  /// entry more than there are texts, begins with 0 and ends with ids.size(). Each text has 1 .. max_tokens() tokens,
  /// all of segment 0. Writes `rows` (texts, dim), pooled and
  /// projected, not normalised. It runs on the calling thread; any number of threads
  /// may call it at once.
  void run(std::span<const int32_t> ids, std::span<const int64_t> offsets, Pooling pooling,
           MatrixView<float> rows) const;

  /// The last hidden state of each token, `out` (ids.size(), hidden_size), in the order of `ids`.
  void hidden_states(std::span<const int32_t> ids, std::span<const int64_t> offsets, MatrixView<float> out) const;

 private:
  struct State;
  explicit TextNetwork(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace pictrieve
