// What is known of a network besides what it computes.
#pragma once

#include <string>

namespace pictrieve {

struct ImageFacts {
  int dim = 0;         ///< of features
  int classes = 0;     ///< 0 without a classifier
  int input_size = 0;  ///< side of the pictures that it was trained on
  int least_size = 1;  ///< of the smallest picture that it can take
};

struct TextFacts {
  int dim = 0;  ///< of projected texts
  int hidden = 0;
  int vocab_size = 0;
  int max_tokens = 0;           ///< of the longest text, special tokens included
  int position_offset = 0;      ///< RoBERTa counts from the padding token's id + 1
  std::string pooling{"mean"};  ///< what it was trained with: mean, cls, last
};

}  // namespace pictrieve
