// Products of stacks of matrices that are both known only at run time: y[s][M][N] = a[s][M][K] * b[s][K][N]. The axes
// of each tensor may be in any order in memory, but rows of a and y are contiguous.
//
// B is packed panel by panel into `panel` (K * nr elements of scratch memory), and each panel passes over all rows of A
// as in gemm.hxx.
#ifndef SOFIE_JIT_MATMUL_HXX
#define SOFIE_JIT_MATMUL_HXX

#include "elementwise/activations.hxx"
#include "gemm/gemm.hxx"
#include "movement/transpose.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// The leading axes: their number and sizes, and the stride of each axis in each tensor (0 for axes that are broadcast),
// followed by the strides of the axes of the matrices.
struct MatmulStack {
   static constexpr int max_axes = 8;
   std::size_t rank;
   std::size_t shape[max_axes];
   std::size_t a_stride[max_axes + 2], b_stride[max_axes + 2], y_stride[max_axes + 2];
};

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
   std::size_t count = 1;
   for (std::size_t axis = 0; axis < stack.rank; ++axis)
      count *= stack.shape[axis];
   for (std::size_t matrix = 0; matrix < count; ++matrix) {
      const T *left = a, *right = b;
      T *to = y;
      for (std::size_t axis = stack.rank, rest = matrix; axis-- > 0; rest /= stack.shape[axis]) {
         const std::size_t index = rest % stack.shape[axis];
         left += index * stack.a_stride[axis];
         right += index * stack.b_stride[axis];
         to += index * stack.y_stride[axis];
      }
      for (std::size_t n = 0; n < N; n += width) {
         const std::size_t used = N - n < width ? N - n : width, row = panel_end<T>(n, N) - n;
         matmul_panel(K, used, row, right + n * in_b[1], in_b[0], in_b[1], panel);
         const GemmProblem<T> g{K,     used,   in_a[0], y_row, panel, zeros, no_epilogue<T>, split_into_blocks(K),
                                false, kernels};
         gemm_rows(g, M, left, static_cast<const T *>(nullptr), to + n);
      }
   }
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
