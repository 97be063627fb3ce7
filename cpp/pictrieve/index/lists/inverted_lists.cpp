#include "pictrieve/index/lists/inverted_lists.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "pictrieve/base/linalg.h"
#include "pictrieve/index/lists/clustering.h"
#include "pictrieve/index/lists/nearest_points.h"

namespace pictrieve {
namespace {

constexpr int64_t kEfOfAssignment = 64;  // a row in its second-nearest list is found all the same, a little later

}  // namespace

InvertedLists::InvertedLists(const ListOptions& options, int64_t dim, Metric base)
    : options_(options), dim_(dim), base_(base) {}

void InvertedLists::train(MatrixView<const float> rows, uint64_t seed, const Monitor& monitor) {
  constexpr int64_t kRowsPerList = 256;  // more change centroids less than another seed does
  constexpr int kSteps = 10;
  const bool spherical = base_ == Metric::Cosine;
  const Matrix<float> sample = sample_rows(rows, kRowsPerList * options_.count, seed, spherical);
  take_centroids(cluster(sample, options_.count, {kSteps, spherical, seed}, monitor));
  if (options_.coarse_links > 0) build_graph(monitor);
}

void InvertedLists::take_centroids(const Matrix<float>& centroids) {
  centroids_ = std::make_shared<const Matrix<float>>(centroids);
  squared_.clear();
  for (int64_t i = 0; i < centroids.rows(); ++i) squared_.push_back(dot(centroids.row(i), centroids.row(i), dim_));
  longest_ = std::sqrt(*std::max_element(squared_.begin(), squared_.end()));
  ranges_.assign(static_cast<size_t>(centroids.rows()), {});
  rows_ = 0;
  if (options_.coarse_links == 0) return;
  coarse_rows_ = std::make_unique<FloatRows>(dim_, by_products() ? Metric::InnerProduct : Metric::L2);
  coarse_rows_->append(centroids);
  graph_ = std::make_unique<HnswGraph>(options_.coarse_links, options_.ef_construction, options_.seed);
}

void InvertedLists::build_graph(const Monitor& monitor) {
  graph_->add(*coarse_rows_, [](const std::function<void()>& change) { change(); }, monitor);
}

Arrangement InvertedLists::arrange(MatrixView<const float> rows, const Monitor& monitor) {
  using By = NearestPoints::By;
  const By by = base_ == Metric::Cosine ? By::Product : By::Distance;
  // Lists and residuals are of the nearest centroid, and under inner product the graph leads to that of the largest.
  const bool by_graph = graph_ && base_ != Metric::InnerProduct;
  const std::vector<int32_t> nearest =
      by_graph ? nearest_by_graph(rows, monitor) : NearestPoints(*centroids_, by).of(rows, monitor);
  Arrangement arrangement;
  arrangement.order.resize(nearest.size());
  std::iota(arrangement.order.begin(), arrangement.order.end(), 0);
  std::stable_sort(arrangement.order.begin(), arrangement.order.end(), [&](int32_t a, int32_t b) {
    return nearest[static_cast<size_t>(a)] < nearest[static_cast<size_t>(b)];
  });
  for (const int32_t row : arrangement.order) arrangement.centres.push_back(nearest[static_cast<size_t>(row)]);
  arranged_ = arrangement.centres;
  return arrangement;
}

std::vector<int32_t> InvertedLists::nearest_by_graph(MatrixView<const float> rows, const Monitor& monitor) const {
  std::vector<int32_t> nearest(static_cast<size_t>(rows.rows));
  parallel_for(
      rows.rows, 64,
      [&](int64_t begin, int64_t end, const Worker& worker) {
        for (int64_t i = begin; i < end && !worker.should_stop(); ++i) {
          const float squared = dot(rows.row(i), rows.row(i), dim_);
          const auto found = walk({rows.row(i), nullptr, squared, inverse_length(squared), i}, 1);
          nearest[static_cast<size_t>(i)] = found.front().row;
        }
      },
      monitor);
  return nearest;
}

std::vector<Candidate> InvertedLists::walk(const Query& query, int64_t count) const {
  const auto comparer = coarse_rows_->comparer();
  comparer->set_query(query);
  SearchEffort effort;
  effort.count = count;
  effort.ef = std::max(2 * count, kEfOfAssignment);
  return graph_->search(*comparer, query, effort, nullptr).value();
}

void InvertedLists::add(const Rows&, const Exclusively& exclusively, const Monitor&) {
  exclusively([&] {
    for (size_t i = 0; i < arranged_.size();) {
      size_t end = i + 1;
      while (end < arranged_.size() && arranged_[end] == arranged_[i]) ++end;
      const auto base = static_cast<int32_t>(rows_);
      ranges_[static_cast<size_t>(arranged_[i])].push_back(
          {base + static_cast<int32_t>(i), base + static_cast<int32_t>(end)});
      i = end;
    }
    rows_ += static_cast<int64_t>(arranged_.size());
    arranged_.clear();
  });
}

void InvertedLists::truncate(int64_t rows) {
  for (std::vector<Range>& list : ranges_) {
    while (!list.empty() && list.back().begin >= rows) list.pop_back();
    if (!list.empty()) list.back().end = std::min(list.back().end, static_cast<int32_t>(rows));
  }
  rows_ = std::min(rows_, rows);
}

void InvertedLists::keep(std::span<const int32_t> order, const Rows&, const Monitor&) {
  std::vector<std::vector<Range>> kept(ranges_.size());
  const auto place = [order](int32_t row) {
    return static_cast<int32_t>(std::lower_bound(order.begin(), order.end(), row) - order.begin());
  };
  for (size_t list = 0; list < ranges_.size(); ++list)
    for (const Range& old : ranges_[list]) {
      const Range range{place(old.begin), place(old.end)};
      if (range.begin < range.end) kept[list].push_back(range);
    }
  ranges_ = std::move(kept);
  rows_ = static_cast<int64_t>(order.size());
}

int64_t InvertedLists::ranges() const {
  return std::accumulate(ranges_.begin(), ranges_.end(), int64_t{0},
                         [](int64_t sum, const auto& list) { return sum + static_cast<int64_t>(list.size()); });
}

/// A range costs about what some dozen of rows cost, so rows may lie in so many more than there are lists.
std::vector<int32_t> InvertedLists::regrouping() const {
  std::vector<int32_t> order;
  if (ranges() <= 4 * lists() + rows_ / 64) return order;
  order.reserve(static_cast<size_t>(rows_));
  for (const std::vector<Range>& list : ranges_)
    for (const Range& range : list)
      for (int32_t row = range.begin; row < range.end; ++row) order.push_back(row);
  return order;
}

void InvertedLists::regrouped() {
  int32_t next = 0;
  for (std::vector<Range>& list : ranges_) {
    const int32_t begin = next;
    for (const Range& range : list) next += range.end - range.begin;
    if (list.empty()) continue;
    list.erase(list.begin() + 1, list.end());
    list.front() = {begin, next};
  }
}

double InvertedLists::cost(const SearchEffort& effort) const {
  const auto lists = static_cast<double>(options_.count);
  const double share = std::min(1.0, static_cast<double>(effort.nprobe) / lists);
  return share * static_cast<double>(rows_) + (graph_ ? static_cast<double>(kEfOfAssignment) : lists);
}

int64_t InvertedLists::bytes() const {
  if (!centroids_) return 0;
  const int64_t of_centroids = (dim_ + 1) * lists() * static_cast<int64_t>(sizeof(float));
  const int64_t of_lists =
      lists() * static_cast<int64_t>(sizeof(ranges_[0])) + ranges() * static_cast<int64_t>(sizeof(Range));
  return of_lists + (graph_ ? 2 * of_centroids + graph_->bytes() : of_centroids);
}

}  // namespace pictrieve
