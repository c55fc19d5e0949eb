// pool.hxx on several threads: divides output rows.
#ifndef SOFIE_JIT_PARALLEL_POOL_HXX
#define SOFIE_JIT_PARALLEL_POOL_HXX

#include "pool/pool.hxx"
#include "conv/parallel_window.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

template <class T>
using PoolKernel = void (*)(std::size_t batch, const Window &w, std::size_t C, const T *x, T *y, std::int64_t *scratch);

SOFIE_JIT_UNOPTIMIZED

// scratch: align_up(2 * w.taps()) elements for each thread.
template <class T>
void parallel_pool(const Team &team, std::size_t batch, const Window &w, std::size_t C, const T *x, T *y,
                   std::int64_t *scratch, PoolKernel<T> pool)
{
   // time of an operation compared with one of gemm: limited by memory bandwidth
   constexpr std::size_t memory_bound_factor = 8;
   const std::size_t work = memory_bound_factor * batch * w.pixels() * w.taps() * C;
   if (!is_parallel(team, work))
      return pool(batch, w, C, x, y, scratch);
   parallel_rows(team, batch, w, work, 1,
                 [&](const Window &part, std::size_t from, std::size_t to, std::size_t thread) {
                    pool(1, part, C, x + from * C, y + to * C, scratch + thread * align_up(2 * w.taps()));
                 });
}

SOFIE_JIT_OPTIMIZED

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
