// winograd.hxx on several threads: divides tiles, or groups of outputs where there are so few tiles that the weights,
// all of which each thread would read for its tiles, matter more than the transformed images, which each thread would
// compute for its outputs. (7 x 7 x 512 on two threads: 1.85 times as fast as on one with outputs divided, 1.28 times
// with tiles.) There are more parts than threads only if there are so many tiles that the weights matter little.
#ifndef SOFIE_JIT_PARALLEL_WINOGRAD_HXX
#define SOFIE_JIT_PARALLEL_WINOGRAD_HXX

#include "core/team.hxx"
#include "conv/winograd.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

template <class T>
using WinogradKernel = void (*)(std::size_t first, std::size_t last, std::size_t from, std::size_t to,
                                const WinogradShape &s, const T *x, const T *panels, const T *bias, const T *residual,
                                T *y, T *scratch, const Epilogue<T> &epilogue);

// Elements between the scratch memories of two threads.
constexpr std::size_t winograd_thread_scratch(const WinogradShape &s)
{
   const std::size_t group = s.output_group();
   return align_up(16 * (winograd_stride(s.C) + winograd_stride(group)) + s.C + group);
}

SOFIE_JIT_UNOPTIMIZED

// scratch: winograd_thread_scratch(s) elements for each thread.
template <class T>
void parallel_winograd(const Team &team, std::size_t first, std::size_t last, std::size_t from, std::size_t to,
                       const WinogradShape &s, const T *x, const T *panels, const T *bias, const T *residual, T *y,
                       T *scratch, const Epilogue<T> &epilogue, WinogradKernel<T> winograd)
{
   const std::size_t tiles = last - first, groups = (to - from) / s.output_group(),
                     work = 2 * 16 * tiles * s.C * (to - from);
   if (!is_parallel(team, work))
      return winograd(first, last, from, to, s, x, panels, bias, residual, y, scratch, epilogue);
   const std::size_t blocks = tiles / (tuning::winograd_tiles * team.threads), size = winograd_thread_scratch(s);
   if (!blocks && balance(team, groups) == 100)
      return parallel_for(team, groups, [&](std::size_t part, std::size_t thread) {
         const std::size_t begin = from + part * s.output_group();
         winograd(first, last, begin, begin + s.output_group(), s, x, panels, bias, residual, y,
                  scratch + thread * size, epilogue);
      });
   constexpr std::size_t step = 4; // rows of the smallest register tile
   const std::size_t max_parts = blocks ? tiles / tuning::winograd_tiles : team.threads;
   const std::size_t parts = useful_parts(team, work, max_parts < tiles / step ? max_parts : tiles / step);
   parallel_for(team, parts, [&](std::size_t part, std::size_t thread) {
      const Range mine = part_of(tiles, step, part, parts);
      winograd(first + mine.first, first + mine.last, from, to, s, x, panels, bias, residual, y,
               scratch + thread * size, epilogue);
   });
}

SOFIE_JIT_OPTIMIZED

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
