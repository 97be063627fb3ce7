// Queries and items averaged with their nearest items: query expansion and database-side augmentation.
#pragma once

#include <cstdint>

#include "pictrieve/base/matrix.h"
#include "pictrieve/base/parallel.h"
#include "pictrieve/index/index.h"

namespace pictrieve {

struct ExpansionOptions {
  int64_t neighbours = 10;  ///< items averaged with the row itself
  float alpha = 3;          ///< an item weighs cosine^alpha, the row itself 1; 0 gives the plain average
};

/// One row of length 1 for each query: the sum of the query and its nearest items, all of length 1 and weighted. Items
/// whose cosine is not above 0 weigh nothing. A query of zeros stays one. Needs an index of cosines.
Matrix<float> expand_queries(const Index& index, MatrixView<const float> queries, const ExpansionOptions& options,
                             const Filter& where = {}, const Monitor& monitor = {});

/// Likewise for every item of the index and the others near it, in the order of Index::ids().
Matrix<float> augment_database(const Index& index, const ExpansionOptions& options, const Monitor& monitor = {});

}  // namespace pictrieve
