// Integers that follow from sizes: lists of them, and arithmetic sequences.
#ifndef SOFIE_JIT_IOTA_HXX
#define SOFIE_JIT_IOTA_HXX

#include "core/simd.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// Modulo 2^64, so they may be negative.
template <int N>
struct SizeList {
   std::size_t size[N];
};

template <int N>
void store_sizes(const SizeList<N> &sizes, std::int64_t *y)
{
   for (int i = 0; i < N; ++i)
      y[i] = static_cast<std::int64_t>(sizes.size[i]);
}

// y[i] = start + i * step; start and step are modulo 2^64, so they may be negative.
inline void iota(std::size_t size, std::size_t start, std::size_t step, std::int64_t *y)
{
   for (std::size_t i = 0; i < size; ++i)
      y[i] = static_cast<std::int64_t>(start + i * step);
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
