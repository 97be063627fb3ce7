// Private: the dense linear algebra that projections learn with, in double precision.
#pragma once

#include <vector>

#include "pictrieve/base/matrix.h"
#include "pictrieve/base/parallel.h"

namespace pictrieve {

/// Column-major n x n, as LAPACK has it.
struct Square {
  explicit Square(int64_t size) : n(size), values(static_cast<size_t>(size * size)) {}
  double& at(int64_t row, int64_t column) { return values[static_cast<size_t>(column * n + row)]; }
  double at(int64_t row, int64_t column) const { return values[static_cast<size_t>(column * n + row)]; }

  int64_t n;
  std::vector<double> values;
};

/// rows * columns, for bulk work: BLAS rounds a row differently in other company.
Matrix<float> times(MatrixView<const float> rows, const Square& columns);

/// a^T b of two matrices of as many rows and columns. The same for any number of threads.
Square products_of_columns(MatrixView<const float> a, MatrixView<const float> b, const Monitor& monitor);

/// Eigenvectors of a symmetric matrix as columns, those of the largest eigenvalues first; the largest entry of each is
/// positive. `eigenvalues` come in the same order.
Square eigenvectors(Square matrix, std::vector<double>& eigenvalues);

/// The rotation nearest to a matrix: U V^T of its singular vectors (orthogonal Procrustes; Schoenemann, 1966).
Square nearest_rotation(Square matrix);

/// A rotation drawn evenly from all (Mezzadri, "How to generate random matrices from the classical compact groups",
/// 2007).
Square random_rotation(int64_t n, uint64_t seed);

}  // namespace pictrieve
