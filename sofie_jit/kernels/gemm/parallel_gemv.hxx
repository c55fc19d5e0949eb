// gemv.hxx shared among threads: blocks of rows.
#ifndef SOFIE_JIT_SHARED_GEMV_HXX
#define SOFIE_JIT_SHARED_GEMV_HXX

#include "gemm/gemv.hxx"
#include "core/team.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

template <class T>
using GemvKernel = void (*)(std::size_t rows, std::size_t K, const T *x, const T *w, const T *bias, const T *residual,
                            T *y, const Epilogue<T> &epilogue);

SOFIE_JIT_UNOPTIMIZED

template <class T>
void parallel_gemv(const Team &team, std::size_t rows, std::size_t K, const T *x, const T *w, const T *bias,
                const T *residual, T *y, const Epilogue<T> &epilogue, GemvKernel<T> gemv)
{
   constexpr std::size_t memory_bound_factor = 8;              // of its arithmetic beside a gemm's: it waits for memory
   constexpr std::size_t step = tuning::alignment / sizeof(T); // no line of y is of two threads
   const std::size_t work = memory_bound_factor * 2 * rows * K;
   if (!is_parallel(team, work))
      return gemv(rows, K, x, w, bias, residual, y, epilogue);
   const std::size_t parts = useful_parts(team, work, (rows + step - 1) / step);
   parallel_for(team, parts, [&](std::size_t part, std::size_t) {
      const Range r = part_of(rows, step, part, parts);
      gemv(r.size(), K, x + r.first * K, w, bias, residual_at(residual, r.first), y + r.first, epilogue);
   });
}

SOFIE_JIT_OPTIMIZED

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
