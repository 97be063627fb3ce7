#include "pictrieve/index/lists/clustering.h"

#include <algorithm>
#include <numeric>
#include <random>

#include "pictrieve/base/linalg.h"
#include "pictrieve/index/lists/nearest_points.h"

namespace pictrieve {
namespace {

/// Row numbers by cluster: those of cluster c are [begin[c], begin[c + 1]) of `rows`, ascending.
struct Members {
  Members(const std::vector<int32_t>& nearest, int64_t count)
      : begin(static_cast<size_t>(count) + 1), rows(nearest.size()) {
    for (const int32_t c : nearest) ++begin[static_cast<size_t>(c) + 1];
    std::partial_sum(begin.begin(), begin.end(), begin.begin());
    std::vector<int64_t> next(begin.begin(), begin.end() - 1);
    for (size_t i = 0; i < nearest.size(); ++i)
      rows[static_cast<size_t>(next[static_cast<size_t>(nearest[i])]++)] = static_cast<int32_t>(i);
  }

  int64_t size(int64_t c) const { return begin[static_cast<size_t>(c) + 1] - begin[static_cast<size_t>(c)]; }

  std::vector<int64_t> begin;
  std::vector<int32_t> rows;
};

/// Each centroid is summed by one thread in the order of its rows, so that threads do not change the result.
void move_to_means(MatrixView<const float> rows, const Members& members, bool spherical, Matrix<float>& centroids) {
  const int64_t dim = rows.cols;
  parallel_for(centroids.rows(), 8, [&](int64_t begin, int64_t end, const Worker&) {
    for (int64_t c = begin; c < end; ++c) {
      const int64_t size = members.size(c);
      if (size == 0) continue;
      float* mean = centroids.row(c);
      std::fill_n(mean, dim, 0.0F);
      const int32_t* member = members.rows.data() + members.begin[static_cast<size_t>(c)];
      for (int64_t i = 0; i < size; ++i) {
        const float* row = rows.row(member[i]);
        for (int64_t j = 0; j < dim; ++j) mean[j] += row[j];
      }
      for (int64_t j = 0; j < dim; ++j) mean[j] /= static_cast<float>(size);
    }
    if (spherical) l2_normalize_rows(centroids.view().slice(begin, end));
  });
}

/// An empty cluster takes half of the largest: both stay beside its mean and the next assignment parts them.
void split_largest(const Members& members, Matrix<float>& centroids) {
  constexpr float kApart = 1.0F / 1024;
  std::vector<int64_t> sizes;
  for (int64_t c = 0; c < centroids.rows(); ++c) sizes.push_back(members.size(c));
  for (int64_t c = 0; c < centroids.rows(); ++c) {
    int64_t& size = sizes[static_cast<size_t>(c)];
    if (size > 0) continue;
    const auto largest = std::max_element(sizes.begin(), sizes.end());
    float* from = centroids.row(largest - sizes.begin());
    float* to = centroids.row(c);
    for (int64_t j = 0; j < centroids.cols(); ++j) {
      const float shift = j % 2 == 0 ? kApart : -kApart;
      to[j] = from[j] * (1 + shift);
      from[j] *= 1 - shift;
    }
    size = *largest / 2;
    *largest -= size;
  }
}

}  // namespace

Monitor monitor_of_step(const Monitor& monitor, int64_t step, int64_t steps) {
  if (!monitor) return {};
  return [&monitor, step, steps](int64_t done, int64_t total) { monitor(step * total + done, steps * total); };
}

std::vector<int64_t> sample_numbers(int64_t rows, int64_t count, uint64_t seed) {
  std::vector<int64_t> numbers(static_cast<size_t>(rows));
  std::iota(numbers.begin(), numbers.end(), int64_t{0});
  if (count >= rows) return numbers;
  std::mt19937_64 random(seed);
  for (int64_t i = 0; i < count; ++i) {
    const auto from = static_cast<uint64_t>(i) + random() % static_cast<uint64_t>(rows - i);
    std::swap(numbers[static_cast<size_t>(i)], numbers[from]);
  }
  numbers.resize(static_cast<size_t>(count));
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

Matrix<float> sample_rows(MatrixView<const float> rows, int64_t count, uint64_t seed, bool normalized) {
  const std::vector<int64_t> numbers = sample_numbers(rows.rows, count, seed);
  Matrix<float> sample(static_cast<int64_t>(numbers.size()), rows.cols);
  for (size_t i = 0; i < numbers.size(); ++i)
    std::copy_n(rows.row(numbers[i]), rows.cols, sample.row(static_cast<int64_t>(i)));
  if (normalized) l2_normalize_rows(sample);
  return sample;
}

void refine(MatrixView<const float> rows, const ClusteringOptions& options, const Monitor& monitor,
            Matrix<float>& centroids) {
  using By = NearestPoints::By;
  std::vector<int32_t> before;
  for (int i = 0; i < options.iterations; ++i) {
    const NearestPoints points(centroids, options.spherical ? By::Product : By::Distance);
    std::vector<int32_t> nearest = points.of(rows, monitor_of_step(monitor, i, options.iterations));
    if (nearest == before) break;
    const Members members(nearest, centroids.rows());
    move_to_means(rows, members, options.spherical, centroids);
    split_largest(members, centroids);
    before = std::move(nearest);
  }
  if (options.spherical) l2_normalize_rows(centroids);
}

Matrix<float> cluster(MatrixView<const float> rows, int64_t count, const ClusteringOptions& options,
                      const Monitor& monitor) {
  Matrix<float> centroids = sample_rows(rows, count, options.seed, options.spherical);
  refine(rows, options, monitor, centroids);
  return centroids;
}

}  // namespace pictrieve
