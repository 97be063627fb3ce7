// Private: the one BLAS routine that this layer calls; it binds to the MKL inside libtorch.
#pragma once

extern "C" void sgemm_(const char* transa, const char* transb, const int* m, const int* n, const int* k,
                       const float* alpha, const float* a, const int* lda, const float* b, const int* ldb,
                       const float* beta, float* c, const int* ldc);
