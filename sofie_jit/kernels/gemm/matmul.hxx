// Products of stacks of matrices that are both known only at run time: y[s][M][N] = a[s][M][K] * b[s][K][N]. The axes
// of each tensor may be in any order in memory, but rows of a and y are contiguous.
//
// B is packed panel by panel into `panel` (K * nr elements of scratch memory), and each panel passes over all rows of A
// as in gemm.hxx.
#ifndef SOFIE_JIT_MATMUL_HXX
#define SOFIE_JIT_MATMUL_HXX

#include "elementwise/activations.hxx"
#include "gemm/gemm.hxx"
#include "gemm/matmul_stack.hxx"
#include "movement/transpose.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// Packs the first `used` columns of b into a panel, [K][row].
template <class T>
void matmul_panel(std::size_t K, std::size_t used, std::size_t row, const T *b, std::size_t k_stride,
                  std::size_t n_stride, T *panel)
{
   if (n_stride == 1) {
      for (std::size_t n = 0; n < row; n += lanes<T>)
         for (std::size_t k = 0; k < K; ++k)
            store(panel + k * row + n, load_up_to(b + k * k_stride + n, used - n));
      return;
   }
   if (k_stride == 1)
      swap_axes(K, used, b, n_stride, panel, row);
   else
      for (std::size_t k = 0; k < K; ++k)
         copy_axis(used, n_stride, b + k * k_stride, panel + k * row);
   for (std::size_t n = used; n < row; ++n)
      for (std::size_t k = 0; k < K; ++k)
         panel[k * row + n] = T(0);
}

template <class T>
void matmul(const MatmulStack &stack, std::size_t M, std::size_t K, std::size_t N, const T *a, const T *b, T *panel,
            T *y, const GemmMicrokernels<T> &kernels)
{
   constexpr std::size_t width = nr<T>;
   const T zeros[width] = {};
   const std::size_t *const in_a = stack.a_stride + stack.rank, *const in_b = stack.b_stride + stack.rank;
   const std::size_t y_row = stack.y_stride[stack.rank];
   stack.each([&](std::size_t left, std::size_t right, std::size_t to) {
      for (std::size_t n = 0; n < N; n += width) {
         const std::size_t used = N - n < width ? N - n : width, row = panel_end<T>(n, N) - n;
         matmul_panel(K, used, row, b + right + n * in_b[1], in_b[0], in_b[1], panel);
         const GemmProblem<T> g{K,     used,   in_a[0], y_row, panel, zeros, no_epilogue<T>, split_into_blocks(K),
                                false, kernels};
         gemm_rows(g, M, a + left, static_cast<const T *>(nullptr), y + to + n);
      }
   });
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
