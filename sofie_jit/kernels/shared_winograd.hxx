// winograd.hxx shared among threads: tiles, or groups of outputs where there are so few tiles that the weights, all of
// which threads would read for their tiles, matter more than the transformed images, which all compute for their outputs.
// More parts than threads only where there are so many tiles that the weights matter little.
#ifndef SOFIE_JIT_SHARED_WINOGRAD_HXX
#define SOFIE_JIT_SHARED_WINOGRAD_HXX

#include "team.hxx"
#include "winograd.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

SOFIE_JIT_UNOPTIMIZED

template <class T>
void share_winograd_parts(const Team &team, std::size_t work, std::size_t first, std::size_t last,
                          const WinogradShape &s, const T *x, const T *panels, const T *bias, const T *residual, T *y,
                          T *scratch, const Epilogue<T> &epilogue, GemmFunction<T> gemm)
{
   const std::size_t tiles = last - first, groups = s.O / s.group(), blocks = tiles / (winograd_block * team.threads);
   const std::size_t size = align_up(winograd_scratch(s));
   if (!blocks && balance(team, groups) == 100)
      return share(team, groups, [&](std::size_t part, std::size_t thread) {
         winograd_part(first, last, part * s.group(), (part + 1) * s.group(), s, x, panels, bias, residual, y,
                       scratch + thread * size, epilogue, gemm);
      });
   constexpr std::size_t step = 4; // rows that the gemms take at least
   const std::size_t several = blocks ? tiles / winograd_block : team.threads;
   const std::size_t parts = useful_parts(team, work, several < tiles / step ? several : tiles / step);
   share(team, parts, [&](std::size_t part, std::size_t thread) {
      const Range mine = part_of(tiles, step, part, parts);
      winograd_part(first + mine.first, first + mine.last, 0, s.O, s, x, panels, bias, residual, y,
                    scratch + thread * size, epilogue, gemm);
   });
}

SOFIE_JIT_OPTIMIZED

// scratch: align_up(winograd_scratch(s)) numbers for each thread.
template <class T>
void share_winograd(const Team *team, std::size_t first, std::size_t last, const WinogradShape &s, const T *x,
                    const T *panels, const T *bias, const T *residual, T *y, T *scratch, const Epilogue<T> &epilogue,
                    GemmFunction<T> gemm)
{
   const std::size_t work = 2 * 16 * (last - first) * s.C * s.O;
   if (!is_shared(team, work))
      return winograd(first, last, s, x, panels, bias, residual, y, scratch, epilogue, gemm);
   share_winograd_parts(*team, work, first, last, s, x, panels, bias, residual, y, scratch, epilogue, gemm);
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
