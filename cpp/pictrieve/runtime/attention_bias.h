// What relative positions add to the scores of an attention.
#pragma once

#include <vector>

#include "pictrieve/nn/graph.h"
#include "pictrieve/runtime/attention.h"

namespace pictrieve {

/// A network's bias table (entries, heads) spread over pairs of tokens. Buckets: one strip for each head, of use to all
/// texts of up to `length` tokens. Grid: (heads, length, length), of use to windows of `length` pixels.
class AttentionBias {
 public:
  AttentionBias() = default;
  AttentionBias(const AttentionOptions& options, const Weight& table, int64_t length);

  int64_t length() const { return length_; }
  /// Points `input`, whose length is known, at these numbers.
  void apply(AttentionInput& input) const;

 private:
  int64_t length_ = 0;
  bool strips_ = false;
  std::vector<float> values_;
};

}  // namespace pictrieve
