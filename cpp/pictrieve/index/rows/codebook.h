// Private: product quantisation (Jegou, Douze, Schmid, "Product quantization for nearest neighbor search", TPAMI 2011):
// a row is cut into m parts, and each part replaced by the number of the nearest of its own few points.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "pictrieve/base/matrix.h"
#include "pictrieve/base/parallel.h"
#include "pictrieve/index/lists/nearest_points.h"

namespace pictrieve {

class SectionReader;
class SectionWriter;

class Codebook {
 public:
  /// Throws where m does not divide dim, naming numbers that do.
  Codebook(int64_t dim, int64_t m, int64_t points);

  int64_t dim() const { return dim_; }
  int64_t m() const { return m_; }
  int64_t points() const { return points_; }  ///< of each part
  int64_t bytes() const { return static_cast<int64_t>(3 * values_.size() * sizeof(float)); }

  float longest() const { return longest_; }  ///< no row that codes give back is longer

  /// Learns from at least points() rows.
  void train(MatrixView<const float> rows, uint64_t seed, const Monitor& monitor);
  /// Goes on learning from where it stands.
  void refine(MatrixView<const float> rows, int steps, const Monitor& monitor);

  /// (rows, m) codes of a byte each, on this thread.
  void encode(MatrixView<const float> rows, uint8_t* codes) const;
  void decode(const uint8_t* codes, float* out) const;

  /// (m, points) inner products of the parts of `query` with their points.
  void products(const float* query, float* out) const;

  void save(SectionWriter& file) const;
  void load(const SectionReader& file);

 private:
  int64_t part_dim() const { return dim_ / m_; }
  MatrixView<float> part(std::vector<float>& values, int64_t j) const {
    return {values.data() + j * points_ * part_dim(), points_, part_dim()};
  }
  Matrix<float> parts_of(MatrixView<const float> rows, int64_t j) const;
  void take(std::vector<float> values);

  int64_t dim_;
  int64_t m_;
  int64_t points_;
  std::vector<float> values_;  ///< (m, points, dim / m)
  std::vector<float> turned_;  ///< the same as (dim, points), for products
  float longest_ = 0;
  std::vector<NearestPoints> nearest_;  ///< and by part, for encoding
};

}  // namespace pictrieve
