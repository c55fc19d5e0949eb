// Matrix products by their definition, in double precision (see core/reference.hxx).
#ifndef SOFIE_JIT_GEMM_REFERENCE_HXX
#define SOFIE_JIT_GEMM_REFERENCE_HXX

#include <cstddef>
#include <vector>

namespace sofie_jit {
namespace reference {

// y[row][n] = finish(bias[n] + residual[row][n] + sum over k of x[row][k] * weight(k, n)); residual may be null.
template <class T, class Weight, class Finish>
std::vector<double> gemm(std::size_t rows, std::size_t K, std::size_t N, const T *x, const Weight &weight,
                         const T *bias, const T *residual, const Finish &finish)
{
   std::vector<double> y(rows * N);
   for (std::size_t row = 0; row < rows; ++row)
      for (std::size_t n = 0; n < N; ++n) {
         double sum = 0;
         for (std::size_t k = 0; k < K; ++k)
            sum += double(x[row * K + k]) * double(weight(k, n));
         y[row * N + n] = finish(sum + double(bias[n]) + (residual ? double(residual[row * N + n]) : 0));
      }
   return y;
}

// y[m][n] = sum over k of a[m][k] * b[k][n].
template <class T>
void matmul(std::size_t M, std::size_t K, std::size_t N, const T *a, const T *b, double *y)
{
   for (std::size_t m = 0; m < M; ++m)
      for (std::size_t n = 0; n < N; ++n) {
         double sum = 0;
         for (std::size_t k = 0; k < K; ++k)
            sum += double(a[m * K + k]) * double(b[k * N + n]);
         y[m * N + n] = sum;
      }
}

} // namespace reference
} // namespace sofie_jit
#endif
