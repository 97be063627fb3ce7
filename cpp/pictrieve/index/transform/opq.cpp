#include "pictrieve/index/transform/opq.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "pictrieve/index/lists/clustering.h"
#include "pictrieve/index/rows/codebook.h"

namespace pictrieve {

std::vector<int64_t> balanced_order(const std::vector<double>& variances, int64_t dim, int64_t m) {
  const auto room = static_cast<size_t>(dim / m);
  std::vector<std::vector<int64_t>> parts(static_cast<size_t>(m));
  std::vector<double> logs(static_cast<size_t>(m), 0);
  // Relative to the smallest variance, so that a part's number only grows as it fills.
  const double smallest = std::max(variances[static_cast<size_t>(dim) - 1], 1e-12 * variances[0]);
  for (int64_t i = 0; i < dim; ++i) {
    size_t chosen = 0;
    double least = std::numeric_limits<double>::infinity();
    for (size_t part = 0; part < parts.size(); ++part)
      if (parts[part].size() < room && logs[part] < least) least = logs[chosen = part];
    parts[chosen].push_back(i);
    logs[chosen] += std::log(std::max(variances[static_cast<size_t>(i)], smallest) / smallest);
  }
  std::vector<int64_t> order;
  for (const auto& part : parts) order.insert(order.end(), part.begin(), part.end());
  return order;
}

Square optimised_rotation(MatrixView<const float> rows, int64_t m, uint64_t seed, const Monitor& monitor) {
  constexpr int kRounds = 24;
  constexpr int64_t kPoints = 256;
  const int64_t dim = rows.cols;
  Square rotation(dim);
  for (int64_t i = 0; i < dim; ++i) rotation.at(i, i) = 1;
  Codebook codebook(dim, m, std::min(kPoints, rows.rows));
  Matrix<float> back(rows.rows, dim);
  for (int round = 0; round < kRounds; ++round) {
    const Monitor step = monitor_of_step(monitor, round, kRounds);
    const Matrix<float> turned = times(rows, rotation);
    round == 0 ? codebook.train(turned, seed, step) : codebook.refine(turned, 2, step);
    parallel_for(rows.rows, 256, [&](int64_t begin, int64_t end, const Worker&) {
      std::vector<uint8_t> codes(static_cast<size_t>((end - begin) * m));
      codebook.encode(turned.view().slice(begin, end), codes.data());
      for (int64_t i = begin; i < end; ++i) codebook.decode(codes.data() + (i - begin) * m, back.row(i));
    });
    rotation = nearest_rotation(products_of_columns(rows, back, {}));
  }
  return rotation;
}

}  // namespace pictrieve
