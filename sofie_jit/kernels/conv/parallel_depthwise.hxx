// depthwise.hxx on several threads: divides output rows.
#ifndef SOFIE_JIT_PARALLEL_DEPTHWISE_HXX
#define SOFIE_JIT_PARALLEL_DEPTHWISE_HXX

#include "conv/depthwise.hxx"
#include "conv/parallel_window.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// Time of an operation compared with one of gemm: depthwise convolutions are limited by memory bandwidth.
constexpr std::size_t depthwise_memory_bound_factor = 4;

template <class T>
using DepthwiseKernel = void (*)(std::size_t batch, const Window &w, std::size_t C, const T *x, const T *weights,
                                 const T *bias, T *y, std::int64_t *scratch, const Epilogue<T> &epilogue);

SOFIE_JIT_UNOPTIMIZED

// scratch: align_up(2 * w.taps()) elements for each thread.
template <class T>
void parallel_depthwise(const Team &team, std::size_t batch, const Window &w, std::size_t C, const T *x,
                        const T *weights, const T *bias, T *y, std::int64_t *scratch, const Epilogue<T> &epilogue,
                        DepthwiseKernel<T> depthwise)
{
   const std::size_t work = 2 * depthwise_memory_bound_factor * batch * w.pixels() * w.taps() * C;
   if (!is_parallel(team, work))
      return depthwise(batch, w, C, x, weights, bias, y, scratch, epilogue);
   parallel_rows(team, batch, w, work, 1,
                 [&](const Window &part, std::size_t from, std::size_t to, std::size_t thread) {
                    depthwise(1, part, C, x + from * C, weights, bias, y + to * C,
                              scratch + thread * align_up(2 * w.taps()), epilogue);
                 });
}

template <class T>
void parallel_depthwise_square(const Team &team, std::size_t batch, const Window &w, std::size_t C, const T *x,
                               const T *weights, const T *bias, T *y, const Epilogue<T> &epilogue,
                               DepthwiseFunction<T> depthwise)
{
   const std::size_t work = 2 * depthwise_memory_bound_factor * batch * w.pixels() * w.taps() * C;
   if (!is_parallel(team, work))
      return depthwise(batch, w, C, x, weights, bias, y, epilogue);
   parallel_rows(team, batch, w, work, 2, [&](const Window &part, std::size_t from, std::size_t to, std::size_t) {
      depthwise(1, part, C, x + from * C, weights, bias, y + to * C, epilogue);
   });
}

SOFIE_JIT_OPTIMIZED

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
