// depthwise_chain.hxx on several threads: divides output rows. Each part computes the expanded rows at its start a
// second time, so there is one part per thread (with two, MobileNetV2 took 1.02 to 1.03 times as long).
#ifndef SOFIE_JIT_PARALLEL_DEPTHWISE_CHAIN_HXX
#define SOFIE_JIT_PARALLEL_DEPTHWISE_CHAIN_HXX

#include "conv/depthwise_chain.hxx"
#include "conv/parallel_window.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

template <class T>
using DepthwiseChainKernel = void (*)(std::size_t batch, const DepthwiseChain &s, const T *x,
                                      const ChainLayer<T> &expand, const ChainLayer<T> &depthwise,
                                      const ChainLayer<T> &project, const T *residual, T *y, T *scratch);

SOFIE_JIT_UNOPTIMIZED

// scratch: align_up(s.expanded() + s.filtered()) elements for each thread.
template <class T>
void parallel_depthwise_chain(const Team &team, std::size_t batch, const DepthwiseChain &s, const T *x,
                              const ChainLayer<T> &expand, const ChainLayer<T> &depthwise, const ChainLayer<T> &project,
                              const T *residual, T *y, T *scratch, DepthwiseChainKernel<T> depthwise_chain)
{
   if (!is_parallel(team, batch * s.work()))
      return depthwise_chain(batch, s, x, expand, depthwise, project, residual, y, scratch);
   constexpr std::size_t parts_per_thread = 1;
   parallel_rows(
      team, batch, s.window, batch * s.work(), 1,
      [&](const Window &part, std::size_t from, std::size_t to, std::size_t thread) {
         const DepthwiseChain mine{part, s.expand, s.C, s.project, s.strip};
         const std::size_t output = to * s.outputs();
         depthwise_chain(1, mine, x + from * s.inputs(), expand, depthwise, project,
                         residual ? residual + output : residual, y + output,
                         scratch + thread * align_up(s.expanded() + s.filtered()));
      },
      parts_per_thread);
}

SOFIE_JIT_OPTIMIZED

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
