// depthwise.hxx shared among threads: output rows.
#ifndef SOFIE_JIT_SHARED_DEPTHWISE_HXX
#define SOFIE_JIT_SHARED_DEPTHWISE_HXX

#include "depthwise.hxx"
#include "shared_window.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// scratch: align_up(2 * w.taps()) numbers for each thread.
template <bool Few, class T>
void share_depthwise(const Team *team, std::size_t batch, const Window &w, std::size_t C, const T *x, const T *weights,
                     const T *bias, T *y, std::int64_t *scratch, const Epilogue<T> &epilogue)
{
   constexpr std::size_t slowness = 4; // of its arithmetic beside a gemm's: it waits for memory
   const std::size_t work = 2 * slowness * batch * w.pixels() * w.taps() * C;
   if (!is_shared(team, work))
      return depthwise<Few>(batch, w, C, x, weights, bias, y, scratch, epilogue);
   share_rows(*team, batch, w, work, 1, [&](const Window &part, std::size_t from, std::size_t to, std::size_t thread) {
      depthwise<Few>(1, part, C, x + from * C, weights, bias, y + to * C, scratch + thread * align_up(2 * w.taps()),
                     epilogue);
   });
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
