#include "pictrieve/index/transform/linear.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <stdexcept>

#include "pictrieve/base/error.h"

extern "C" {
void sgemm_(const char* transa, const char* transb, const int* m, const int* n, const int* k, const float* alpha,
            const float* a, const int* lda, const float* b, const int* ldb, const float* beta, float* c,
            const int* ldc);
void dgemm_(const char* transa, const char* transb, const int* m, const int* n, const int* k, const double* alpha,
            const double* a, const int* lda, const double* b, const int* ldb, const double* beta, double* c,
            const int* ldc);
void dsyevd_(const char* jobz, const char* uplo, const int* n, double* a, const int* lda, double* w, double* work,
             const int* lwork, int* iwork, const int* liwork, int* info);
void dgesdd_(const char* jobz, const int* m, const int* n, double* a, const int* lda, double* s, double* u,
             const int* ldu, double* vt, const int* ldvt, double* work, const int* lwork, int* iwork, int* info);
void dgeqrf_(const int* m, const int* n, double* a, const int* lda, double* tau, double* work, const int* lwork,
             int* info);
void dorgqr_(const int* m, const int* n, const int* k, double* a, const int* lda, const double* tau, double* work,
             const int* lwork, int* info);
}

namespace pictrieve {
namespace {

/// Runs a LAPACK routine twice: asked for how much memory it wants, then with it. On one thread, so that the number of
/// threads does not change what comes out.
template <typename Routine>
void with_workspace(const Routine& routine) {
  parallel_for(1, 1, [&](int64_t, int64_t, const Worker&) {
    std::vector<double> work(1);
    std::vector<int> integers(1);
    int info = 0;
    routine(work.data(), -1, integers.data(), -1, &info);
    work.resize(static_cast<size_t>(work[0]));
    integers.resize(static_cast<size_t>(std::max(1, integers[0])));
    routine(work.data(), static_cast<int>(work.size()), integers.data(), static_cast<int>(integers.size()), &info);
    if (info != 0) throw std::runtime_error(message("linear algebra: LAPACK failed with info ", info));
  });
}

}  // namespace

Matrix<float> times(MatrixView<const float> rows, const Square& columns) {
  const std::vector<float> matrix(columns.values.begin(), columns.values.end());
  Matrix<float> out(rows.rows, columns.n);
  parallel_for(rows.rows, 512, [&](int64_t begin, int64_t end, const Worker&) {
    const int n = static_cast<int>(columns.n), count = static_cast<int>(end - begin);
    const float one = 1, zero = 0;
    sgemm_("T", "N", &n, &count, &n, &one, matrix.data(), &n, rows.row(begin), &n, &zero, out.row(begin), &n);
  });
  return out;
}

Square products_of_columns(MatrixView<const float> a, MatrixView<const float> b, const Monitor& monitor) {
  constexpr int64_t kColumns = 64, kRows = 1024;  // single precision within a block of rows, double between blocks
  const int64_t dim = a.cols;
  Square products(dim);
  parallel_for(
      dim, kColumns,
      [&](int64_t begin, int64_t end, const Worker& worker) {
        std::vector<float> block(static_cast<size_t>(dim * (end - begin)));
        for (int64_t first = 0; first < a.rows && !worker.should_stop(); first += kRows) {
          const int m = static_cast<int>(dim), n = static_cast<int>(end - begin);
          const int k = static_cast<int>(std::min(kRows, a.rows - first));
          const float one = 1, zero = 0;
          sgemm_("N", "T", &m, &n, &k, &one, a.row(first), &m, b.row(first) + begin, &m, &zero, block.data(), &m);
          for (size_t i = 0; i < block.size(); ++i) products.values[static_cast<size_t>(begin * dim) + i] += block[i];
        }
      },
      monitor);
  return products;
}

Square eigenvectors(Square matrix, std::vector<double>& eigenvalues) {
  const int n = static_cast<int>(matrix.n);
  eigenvalues.resize(static_cast<size_t>(n));
  with_workspace([&](double* work, int lwork, int* integers, int lintegers, int* info) {
    dsyevd_("V", "L", &n, matrix.values.data(), &n, eigenvalues.data(), work, &lwork, integers, &lintegers, info);
  });
  std::reverse(eigenvalues.begin(), eigenvalues.end());
  Square vectors(n);
  for (int64_t c = 0; c < n; ++c) {
    const double* from = matrix.values.data() + (n - 1 - c) * n;
    const double* largest =
        std::max_element(from, from + n, [](double a, double b) { return std::abs(a) < std::abs(b); });
    for (int64_t i = 0; i < n; ++i) vectors.at(i, c) = *largest < 0 ? -from[i] : from[i];
  }
  return vectors;
}

Square nearest_rotation(Square matrix) {
  const int n = static_cast<int>(matrix.n);
  Square u(n), vt(n), rotation(n);
  std::vector<double> singular(static_cast<size_t>(n));
  std::vector<int> integers(static_cast<size_t>(8 * n));
  with_workspace([&](double* work, int lwork, int*, int, int* info) {
    dgesdd_("A", &n, &n, matrix.values.data(), &n, singular.data(), u.values.data(), &n, vt.values.data(), &n, work,
            &lwork, integers.data(), info);
  });
  const double one = 1, zero = 0;
  dgemm_("N", "N", &n, &n, &n, &one, u.values.data(), &n, vt.values.data(), &n, &zero, rotation.values.data(), &n);
  return rotation;
}

Square random_rotation(int64_t size, uint64_t seed) {
  const int n = static_cast<int>(size);
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  Square q(n);
  for (double& value : q.values) value = normal(random);
  std::vector<double> tau(static_cast<size_t>(n)), signs(static_cast<size_t>(n));
  with_workspace([&](double* work, int lwork, int*, int, int* info) {
    dgeqrf_(&n, &n, q.values.data(), &n, tau.data(), work, &lwork, info);
  });
  for (int64_t i = 0; i < n; ++i) signs[static_cast<size_t>(i)] = q.at(i, i) < 0 ? -1 : 1;
  with_workspace([&](double* work, int lwork, int*, int, int* info) {
    dorgqr_(&n, &n, &n, q.values.data(), &n, tau.data(), work, &lwork, info);
  });
  for (int64_t c = 0; c < n; ++c)
    for (int64_t i = 0; i < n; ++i) q.at(i, c) *= signs[static_cast<size_t>(c)];
  return q;
}

}  // namespace pictrieve
