// Strings -> rows: tokenizer and network, without padding, on all threads.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "pictrieve/base/matrix.h"
#include "pictrieve/base/parallel.h"
#include "pictrieve/runtime/text_network.h"
#include "pictrieve/text/tokenizer.h"

namespace pictrieve {

/// What was cut from texts longer than the limit.
struct Truncation {
  int64_t texts = 0;
  int64_t tokens = 0;
};

class TextEncoder {
 public:
  struct Options {
    Pooling pooling = Pooling::Mean;
    int64_t max_length = 256;  ///< tokens of a text, special ones included; longer texts are cut
  };

  TextEncoder(std::shared_ptr<const TextNetwork> network, std::shared_ptr<const Tokenizer> tokenizer,
              const Options& options);

  int dim() const { return network_->dim(); }

  /// Writes row i of `rows` (texts, dim) for text i, of unit length where `normalize`. The monitor counts texts.
  /// Texts run sorted by length in packed pieces, so the order of the input costs nothing. A text without a
  /// single token (an empty one where the tokenizer adds nothing) gets zeros.
  Truncation encode(std::span<const std::string_view> texts, bool normalize, MatrixView<float> rows,
                    const Monitor& monitor = {}) const;

 private:
  std::shared_ptr<const TextNetwork> network_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  Options options_;
};

}  // namespace pictrieve
