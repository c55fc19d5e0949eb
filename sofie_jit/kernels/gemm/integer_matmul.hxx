// Products of stacks of matrices of integers, modulo 2^bits: y[s][M][N] = a[s][M][K] * b[s][K][N]. All rows are
// contiguous. The order of the additions does not matter.
#ifndef SOFIE_JIT_INTEGER_MATMUL_HXX
#define SOFIE_JIT_INTEGER_MATMUL_HXX

#include "gemm/matmul_stack.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// MR rows of y, NV registers each; of the last register only the first columns up to `count` are used.
template <int MR, int NV, class T>
SOFIE_JIT_INLINE void integer_tile(std::size_t K, std::size_t N, std::size_t count, const T *a, const T *b, T *y)
{
   vec<T> sum[MR][NV] = {};
   for (std::size_t k = 0; k < K; ++k)
      SOFIE_JIT_UNROLL
      for (int j = 0; j < NV; ++j) {
         const vec<T> right = load_up_to(b + k * N + j * lanes<T>, count - std::size_t(j) * lanes<T>);
         SOFIE_JIT_UNROLL
         for (int i = 0; i < MR; ++i)
            sum[i][j] = sum[i][j] + right * a[std::size_t(i) * K + k];
      }
   SOFIE_JIT_UNROLL
   for (int i = 0; i < MR; ++i)
      SOFIE_JIT_UNROLL
      for (int j = 0; j < NV; ++j)
         store_up_to(y + std::size_t(i) * N + j * lanes<T>, sum[i][j], count - std::size_t(j) * lanes<T>);
}

template <int MR, class T>
void integer_rows(std::size_t K, std::size_t N, const T *a, const T *b, T *y)
{
   constexpr std::size_t wide = 2 * lanes<T>;
   std::size_t n = 0;
   for (; n + wide <= N; n += wide)
      integer_tile<MR, 2>(K, N, wide, a, b + n, y + n);
   for (; n < N; n += lanes<T>)
      integer_tile<MR, 1>(K, N, N - n, a, b + n, y + n);
}

template <class T>
void integer_matmul(const MatmulStack &stack, std::size_t M, std::size_t K, std::size_t N, const T *a, const T *b, T *y)
{
   stack.each([&](std::size_t in_a, std::size_t in_b, std::size_t in_y) {
      std::size_t m = 0;
      for (; m + 4 <= M; m += 4)
         integer_rows<4>(K, N, a + in_a + m * K, b + in_b, y + in_y + m * N);
      for (; m < M; ++m)
         integer_rows<1>(K, N, a + in_a + m * K, b + in_b, y + in_y + m * N);
   });
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
