// gemv.hxx on several threads: divides rows.
#ifndef SOFIE_JIT_PARALLEL_GEMV_HXX
#define SOFIE_JIT_PARALLEL_GEMV_HXX

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
   // time of an operation compared with one of gemm: limited by memory bandwidth
   constexpr std::size_t memory_bound_factor = 8;
   constexpr std::size_t step = tuning::alignment / sizeof(T); // so that no two threads write to one cache line
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
