#include <algorithm>
#include <vector>

#include "pictrieve/base/error.h"
#include "pictrieve/index/preparation.h"
#include "pictrieve/index/stored_index.h"

namespace pictrieve {

Matrix<float> StoredIndex::reconstruct(std::span<const int64_t> ids) const {
  const auto reading = lock_.read();
  require(recipe_.codec.codec != Codec::Bits, "reconstruct: the index holds bits");
  const Rows& from = originals_ ? *originals_ : *rows_;
  Matrix<float> rows(static_cast<int64_t>(ids.size()), options_.dim);
  std::vector<float> projected, wider;
  for (size_t i = 0; i < ids.size(); ++i) {
    const int32_t row = items_.find(ids[i]);
    require(row != IdMap::kAbsent, "ids: ", ids[i], " is not in the index");
    float* out = rows.row(static_cast<int64_t>(i));
    if (originals_ || projections_.empty()) {
      from.decode(row, out);
    } else {
      projected.resize(static_cast<size_t>(projections_.back().dim_out()));
      from.decode(row, projected.data());
      for (auto projection = projections_.rbegin(); projection != projections_.rend(); ++projection) {
        wider.resize(static_cast<size_t>(projection->dim_in()));
        projection->reverse(projected.data(), wider.data());
        projected.swap(wider);
      }
      std::copy(projected.begin(), projected.end(), out);
    }
    undo_preparation(metric_, out, options_.dim);
  }
  return rows;
}

Matrix<uint8_t> StoredIndex::reconstruct_bits(std::span<const int64_t> ids) const {
  const auto reading = lock_.read();
  require(recipe_.codec.codec == Codec::Bits, "reconstruct: the index holds numbers, not bits");
  Matrix<uint8_t> rows(static_cast<int64_t>(ids.size()), options_.dim / 8);
  for (size_t i = 0; i < ids.size(); ++i) {
    const int32_t row = items_.find(ids[i]);
    require(row != IdMap::kAbsent, "ids: ", ids[i], " is not in the index");
    rows_->decode(row, rows.row(static_cast<int64_t>(i)));
  }
  return rows;
}

}  // namespace pictrieve
