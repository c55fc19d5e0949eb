// Products of matrices of 8-bit integers: y[s][M][N] = (a[s][M][K] - a_zero) * (b[s][K][N] - b_zero), of 32 bits.
#ifndef SOFIE_JIT_MATMUL_INTEGER_HXX
#define SOFIE_JIT_MATMUL_INTEGER_HXX

#include "gemm/matmul_stack.hxx"
#include "gemm/pair_gemm.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// A zero point: one for all, or with step 1 one per row of A or column of B. Null: 0.
template <class Q>
struct ZeroPoint {
   const Q *value;
   std::size_t step;
};

// The panels of B [K][N].
template <class T, class Q>
SOFIE_JIT_COLD Buffer<T> pack_matmul_integer(const Q *b, const Q *zero, std::size_t step, std::size_t K, std::size_t N)
{
   Buffer<T> panels(pair_panels_size(K, N));
   pack_pair_panels(K, N, panels.data(),
                    [&](std::size_t k, std::size_t n) { return widened(b[k * N + n], zero, n * step); });
   return panels;
}

// For B in panels. scratch: M * even(K) elements.
template <class Q>
void matmul_integer(std::size_t M, std::size_t K, std::size_t N, const Q *a, const ZeroPoint<Q> &zero,
                    const std::int16_t *panels, std::int16_t *scratch, std::int32_t *y)
{
   const std::size_t row = even(K), start = 0;
   for (std::size_t m = 0; m < M; ++m) {
      const std::int16_t shift = widened(Q(0), zero.value, m * zero.step);
      for (std::size_t k = 0; k < K; ++k)
         scratch[m * row + k] = std::int16_t(a[m * K + k] + shift);
      if (K % 2)
         scratch[m * row + K] = 0;
   }
   pair_gemm(PairRows{1, row / 2, &start}, M, N, panels, [&](std::size_t m) { return scratch + m * row; }, y, N, 1);
}

// For stacks of B that are packed for each product. panels: pair_panels_size(K, N) elements.
template <class A, class B>
void matmul_integer(const MatmulStack &stack, std::size_t M, std::size_t K, std::size_t N, const A *a, const B *b,
                    const ZeroPoint<A> &a_zero, const ZeroPoint<B> &b_zero, std::int16_t *panels,
                    std::int16_t *scratch, std::int32_t *y)
{
   stack.each([&](std::size_t in_a, std::size_t in_b, std::size_t in_y) {
      const B *const right = b + in_b;
      pack_pair_panels(K, N, panels, [&](std::size_t k, std::size_t n) {
         return widened(right[k * N + n], b_zero.value, n * b_zero.step);
      });
      matmul_integer(M, K, N, a + in_a, a_zero, panels, scratch, y + in_y);
   });
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
