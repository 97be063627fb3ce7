// Private: linear maps in front of an index: PCA, OPQ, random rotation.
#pragma once

#include <vector>

#include "pictrieve/base/matrix.h"
#include "pictrieve/base/parallel.h"
#include "pictrieve/index/distance/metric.h"
#include "pictrieve/index/factory.h"

namespace pictrieve {

class SectionReader;
class SectionWriter;
struct Square;

/// y = A x + b with orthonormal rows in A, so that reverse() gives back what is left of x.
class Projection {
 public:
  /// Under L2, PCA and OPQ centre rows. Under other metrics b is 0, since a shift would change angles and products, and
  /// directions are those of the largest second moments. Throws where an OPQ's m does not divide the dimensions.
  Projection(const ProjectionSpec& spec, int64_t dim, Metric base);

  int64_t dim_in() const { return dim_in_; }
  int64_t dim_out() const { return dim_out_; }
  int64_t least_for_training() const;

  void train(MatrixView<const float> sample, uint64_t seed, const Monitor& monitor);
  /// A row's result does not depend on the rows it came with.
  Matrix<float> apply(MatrixView<const float> rows) const;
  void reverse(const float* projected, float* out) const;

  void save(SectionWriter& file) const;
  void load(const SectionReader& file);

 private:
  void learn_directions(MatrixView<const float> rows, uint64_t seed, const Monitor& monitor);
  void set_directions(const Square& columns, const std::vector<int64_t>& order);
  void turn_directions(const Square& rotation);

  ProjectionSpec spec_;
  int64_t dim_in_;
  int64_t dim_out_;
  Metric base_;
  std::vector<float> matrix_;  ///< (dim_out, dim_in)
  std::vector<float> shift_;   ///< (dim_out,)
};

}  // namespace pictrieve
