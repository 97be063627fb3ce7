#include "pictrieve/runtime/attention_bias.h"

#include "pictrieve/base/error.h"
#include "pictrieve/nn/relative_bias.h"

namespace pictrieve {

AttentionBias::AttentionBias(const AttentionOptions& options, const Weight& table, int64_t length)
    : length_(length), strips_(options.bias == RelativeBias::Buckets) {
  const int64_t heads = options.heads, entries = table.shape.at(0);
  require(table.shape.size() == 2 && table.shape[1] == heads, "attention: expected a bias table (entries, ", heads,
          ")");
  std::vector<int64_t> found;
  if (strips_) {
    for (int64_t apart = 1 - length; apart < length; ++apart) found.push_back(relative_bias_bucket(apart, entries));
  } else {
    found = relative_bias_entries(options, entries, length);
  }
  values_.reserve(found.size() * heads);
  for (int64_t head = 0; head < heads; ++head)
    for (const int64_t entry : found) values_.push_back(table.data[entry * heads + head]);
}

void AttentionBias::apply(AttentionInput& input) const {
  require(strips_ ? input.length <= length_ : input.length == length_, "attention: expected ", length_,
          " tokens for its bias, got ", input.length);
  input.bias = values_.data() + (strips_ ? length_ - 1 : 0);
  input.bias_head = strips_ ? 2 * length_ - 1 : length_ * length_;
  input.bias_query = strips_ ? -1 : length_;
}

}  // namespace pictrieve
