// Lists of ids, and single metrics of a result, for the tests of this folder.
#pragma once

#include <vector>

#include "pictrieve/base/matrix.h"
#include "pictrieve/evaluate/id_lists.h"
#include "pictrieve/evaluate/metrics.h"

namespace pictrieve {

using Ids = std::vector<std::vector<int64_t>>;

struct Lists {
  std::vector<int64_t> ids, offsets{0};

  explicit Lists(const Ids& lists) {
    for (const auto& list : lists) {
      ids.insert(ids.end(), list.begin(), list.end());
      offsets.push_back(static_cast<int64_t>(ids.size()));
    }
  }
  operator IdLists() const { return {ids, offsets}; }
};

inline double cut(const Matrix<double>& values, int64_t k_index, CutMetric metric, int64_t query = 0) {
  return values.row(query)[k_index * static_cast<int64_t>(CutMetric::kCount) + static_cast<int>(metric)];
}

inline double whole(const Matrix<double>& values, WholeMetric metric, int64_t query = 0) {
  const int64_t first = values.cols() - static_cast<int64_t>(WholeMetric::kCount);
  return values.row(query)[first + static_cast<int>(metric)];
}

}  // namespace pictrieve
