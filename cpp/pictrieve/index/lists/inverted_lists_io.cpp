#include <utility>

#include "pictrieve/base/error.h"
#include "pictrieve/base/linalg.h"
#include "pictrieve/index/file/sections.h"
#include "pictrieve/index/lists/inverted_lists.h"

namespace pictrieve {

// Sections: Centroids, (lists, dim) float32; ListOffsets, int32: for each list how many ranges of rows it has, and then
// the ranges of all lists as pairs of begin and end. The graph over the centroids, if any, is a part of its own.

void InvertedLists::save(SectionWriter& file) const {
  file.borrow<float>(SectionKind::Centroids, {centroids_->data(), static_cast<size_t>(lists() * dim_)});
  std::vector<int32_t> offsets;
  for (const auto& list : ranges_) offsets.push_back(static_cast<int32_t>(list.size()));
  for (const auto& list : ranges_)
    for (const Range& range : list) offsets.insert(offsets.end(), {range.begin, range.end});
  file.copy<int32_t>(SectionKind::ListOffsets, offsets);
  if (!graph_) return;
  file.begin(Part::Coarse);
  graph_->save(file);
}

void InvertedLists::load(const SectionReader& file, int64_t rows) {
  const auto numbers = file.read<float>(SectionKind::Centroids, options_.count * dim_);
  Matrix<float> centroids(options_.count, dim_);
  std::copy(numbers.begin(), numbers.end(), centroids.data());
  for (int64_t i = 0; i < options_.count; ++i)
    require<FormatError>(dot(centroids.row(i), centroids.row(i), dim_) <= kMaxSquaredLength,
                         "index file: impossible centroid of list ", i);
  take_centroids(centroids);
  const auto offsets = file.read<int32_t>(SectionKind::ListOffsets);
  std::vector<uint8_t> seen(static_cast<size_t>(rows), 0);
  size_t next = ranges_.size();
  const auto check = [](bool right) { require<FormatError>(right, "index file: the lists do not hold each row once"); };
  check(offsets.size() >= ranges_.size());
  for (size_t list = 0; list < ranges_.size(); ++list) {
    check(offsets[list] >= 0 && static_cast<size_t>(offsets[list]) <= (offsets.size() - next) / 2);
    int32_t end = 0;
    for (int32_t i = 0; i < offsets[list]; ++i, next += 2) {
      const Range range{offsets[next], offsets[next + 1]};
      check(range.begin >= end && range.begin < range.end && range.end <= rows);
      for (end = range.begin; end < range.end; ++end) check(!std::exchange(seen[static_cast<size_t>(end)], uint8_t{1}));
      ranges_[list].push_back(range);
      rows_ += range.end - range.begin;
    }
  }
  check(next == offsets.size() && rows_ == rows);
  if (graph_) graph_->load(file.other(Part::Coarse), options_.count);
}

}  // namespace pictrieve
