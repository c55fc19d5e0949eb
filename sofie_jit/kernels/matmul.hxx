// Products of stacks of matrices that are both known only at run time: y[s][M][N] = a[s][M][K] * b[s][K][N].
//
// B is packed panel by panel into `panel` (K * panel_width elements of the caller's scratch), and each panel meets all
// rows of A as in gemm.hxx.
#ifndef SOFIE_JIT_MATMUL_HXX
#define SOFIE_JIT_MATMUL_HXX

#include "gemm.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// The leading axes: how many matrices, and how far apart (in matrices; 0 along an axis that is broadcast).
struct MatmulStack {
   static constexpr int most = 8;
   std::size_t rank;
   std::size_t shape[most];
   std::size_t a_stride[most];
   std::size_t b_stride[most];
};

template <class T>
void matmul(const MatmulStack &stack, std::size_t M, std::size_t K, std::size_t N, const T *a, const T *b, T *panel,
            T *y)
{
   constexpr std::size_t width = panel_width<T>;
   const T zeros[width] = {};
   std::size_t count = 1;
   for (std::size_t axis = 0; axis < stack.rank; ++axis)
      count *= stack.shape[axis];
   for (std::size_t matrix = 0; matrix < count; ++matrix) {
      std::size_t at_a = 0, at_b = 0, rest = matrix;
      for (std::size_t axis = stack.rank; axis-- > 0; rest /= stack.shape[axis]) {
         at_a += rest % stack.shape[axis] * stack.a_stride[axis];
         at_b += rest % stack.shape[axis] * stack.b_stride[axis];
      }
      const T *left = a + at_a * M * K, *right = b + at_b * K * N;
      for (std::size_t n = 0; n < N; n += width) {
         const std::size_t used = N - n < width ? N - n : width, row = panel_end<T>(n, N) - n;
         for (std::size_t k = 0; k < K; ++k)
            for (std::size_t i = 0; i < row; ++i)
               panel[k * row + i] = i < used ? right[k * N + n + i] : T(0);
         const Dense<T> g{K, used, N, panel, zeros, no_epilogue<T>, k_split(K, N), false};
         gemm_rows(g, M, left, static_cast<const T *>(nullptr), y + matrix * M * N + n);
      }
   }
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
