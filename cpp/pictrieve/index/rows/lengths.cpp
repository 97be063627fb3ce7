#include "pictrieve/index/rows/lengths.h"

#include <atomic>

#include "pictrieve/base/error.h"
#include "pictrieve/base/linalg.h"
#include "pictrieve/base/parallel.h"
#include "pictrieve/index/file/sections.h"

namespace pictrieve {

void Lengths::save(SectionWriter& file) const { file.borrow<float>(SectionKind::SquaredLengths, squared_); }

void Lengths::load(const SectionReader& file, int64_t rows) {
  for (const float length : file.read<float>(SectionKind::SquaredLengths, rows)) {
    require<FormatError>(length >= 0 && length <= kMaxSquaredLength, "index file: impossible length of a vector");
    append(length);
  }
}

std::vector<float> checked_squared_lengths(MatrixView<const float> rows, const char* name) {
  std::vector<float> squared(static_cast<size_t>(rows.rows));
  std::atomic<int64_t> bad{rows.rows};
  parallel_for(rows.rows, 1024, [&](int64_t begin, int64_t end, Worker) {
    for (int64_t i = begin; i < end; ++i) {
      const float length = squared[static_cast<size_t>(i)] = dot(rows.row(i), rows.row(i), rows.cols);
      if (length <= kMaxSquaredLength) continue;  // false for NaN
      int64_t first = bad;
      while (i < first && !bad.compare_exchange_weak(first, i)) {
      }
    }
  });
  if (bad < rows.rows) {
    require(all_finite(rows.row(bad), rows.cols), name, ": expected finite numbers, got NaN or infinity in row ",
            bad.load(), "; find such rows with ~np.isfinite(x).all(axis=1)");
    require(false, name, ": the squared length of row ", bad.load(), " is past float32; scale the vectors down");
  }
  return squared;
}

}  // namespace pictrieve
