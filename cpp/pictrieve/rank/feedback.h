// Queries made of what was marked as relevant and irrelevant, and which items are worth asking about next.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "pictrieve/base/matrix.h"

namespace pictrieve {

struct RocchioWeights {
  double query = 1.0;
  double relevant = 0.75;
  double irrelevant = 0.15;
};

/// Rocchio (1971): query * q + relevant * mean(relevant) - irrelevant * mean(irrelevant), of length 1. What is taken
/// away may undo at most half of the wanted part along its own direction: negatives turn a query, they do not flip it.
/// `query` may be empty. Throws std::invalid_argument without any wanted part.
std::vector<float> rocchio(std::span<const float> query, MatrixView<const float> relevant,
                           MatrixView<const float> irrelevant, const RocchioWeights& weights);

/// Items to ask about: `scores` near `boundary`, and unlike each other.
struct Question {
  int64_t row = 0;
  float similarity = 0.0F;  ///< largest cosine to those chosen before; 0 for the first
};

/// Of the `pool` rows nearest to the boundary, the nearest, then always the one least similar to those chosen (the
/// farthest-first traversal of Gonzalez 1985). Rows have length 1. Ties go to the nearer to the boundary, then the
/// smaller row.
std::vector<Question> choose_questions(MatrixView<const float> rows, std::span<const float> scores, float boundary,
                                       int64_t pool, int64_t count);

}  // namespace pictrieve
