// gemm.hxx on several threads: divides rows or outputs, whichever keeps more threads busy; if both do, it divides the
// larger matrix, so that threads read less of it twice.
#ifndef SOFIE_JIT_PARALLEL_GEMM_HXX
#define SOFIE_JIT_PARALLEL_GEMM_HXX

#include "gemm/gemm.hxx"
#include "core/team.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

template <class T>
using GemmKernel = void (*)(std::size_t rows, std::size_t K, std::size_t N, const T *x, const T *panels, const T *bias,
                            const T *residual, T *y, const Epilogue<T> &epilogue, const GemmMicrokernels<T> &parts);

SOFIE_JIT_UNOPTIMIZED

template <class T>
void parallel_gemm(const Team &team, std::size_t rows, std::size_t K, std::size_t N, const T *x, const T *panels,
                   const T *bias, const T *residual, T *y, const Epilogue<T> &epilogue,
                   const GemmMicrokernels<T> &kernels, GemmKernel<T> gemm)
{
   const std::size_t work = 2 * rows * K * N;
   if (!is_parallel(team, work))
      return gemm(rows, K, N, x, panels, bias, residual, y, epilogue, kernels);
   const std::size_t column = (kernels.sparse ? tuning::fma_chains : kernels.pairs ? 2 : 1) * nr<T>;
   const std::size_t divided =
      kernels.sparse && N > column ? N - N % column : N; // the remainder stays in one part (sparse_tail)
   const std::size_t row_blocks = (rows + tuning::mc_step - 1) / tuning::mc_step,
                     column_blocks = (divided + column - 1) / column;
   const std::size_t by_rows = balance(team, row_blocks), by_columns = balance(team, column_blocks);
   const bool columns = by_rows == by_columns ? N > rows : by_columns > by_rows;
   const std::size_t parts = useful_parts(team, work, columns ? column_blocks : row_blocks);
   parallel_for(team, parts, [&](std::size_t part, std::size_t) {
      const Range r = columns ? Range{0, rows} : part_of(rows, tuning::mc_step, part, parts);
      const Range c = columns ? part_of(divided, column, part, parts) : Range{0, N};
      const Range n = {c.first, c.last == divided ? N : c.last};
      const GemmProblem<T> g{K,
                             n.size(),
                             K,
                             N,
                             panels + n.first * K,
                             bias + n.first,
                             epilogue,
                             split_k(K, N, kernels),
                             output_exceeds_cache<T>(rows, N),
                             kernels};
      const std::size_t at_y = r.first * N + n.first;
      gemm_blocks(g, r.size(), x + r.first * K, residual_at(residual, at_y), y + at_y);
   });
}

SOFIE_JIT_OPTIMIZED

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
