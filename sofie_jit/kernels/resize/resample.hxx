// Weighted sums of adjacent elements along one axis, with different weights for every output: images are resized one
// axis after the other.
//
//    y[outer][o][inner] = sum over t < count[o] of x[outer][first[o] + t][inner] * weights[o][t]
#ifndef SOFIE_JIT_RESAMPLE_HXX
#define SOFIE_JIT_RESAMPLE_HXX

#include "core/memory.hxx"
#include "core/tile.hxx"
#include "core/window.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// limited[out][2]: spans[out][2], first and count, limited to the `size` inputs and the `taps` weights.
template <class I>
void limit_spans(std::size_t out, std::size_t size, std::size_t taps, const I *spans, I *limited)
{
   for (std::size_t o = 0; o < out; ++o) {
      const I last = I(size), first = spans[2 * o] < 0 ? 0 : spans[2 * o] > last ? last : spans[2 * o];
      const I most = last - first < I(taps) ? last - first : I(taps), count = spans[2 * o + 1];
      limited[2 * o] = first;
      limited[2 * o + 1] = count < 0 ? 0 : count > most ? most : count;
   }
}

template <class I>
SOFIE_JIT_COLD Buffer<I> pack_spans(const I *spans, std::size_t out, std::size_t size, std::size_t taps)
{
   Buffer<I> packed(2 * out);
   limit_spans(out, size, taps, spans, packed.data());
   return packed;
}

// Few: inner < lanes<T>. weights[out][taps]; spans as limit_spans leaves them. Sums run over t in blocks of tuning::kc.
template <bool Few, class T>
void resample(std::size_t outer, std::size_t size, std::size_t out, std::size_t inner, std::size_t taps, const T *x,
              const T *weights, const std::int64_t *spans, T *y)
{
   using V = channel_type<T, Few>;
   for (std::size_t i = 0; i < outer; ++i, x += size * inner)
      for (std::size_t o = 0; o < out; ++o, y += inner) {
         const std::size_t count = std::size_t(spans[2 * o + 1]);
         const T *from = x + std::size_t(spans[2 * o]) * inner, *weight = weights + o * taps;
         each_channels<V, 1, T>(inner, [&](std::size_t c) {
            V sum{};
            SOFIE_JIT_ROLLED
            for (std::size_t start = 0; start < count; start += tuning::kc) {
               const std::size_t end = count - start < tuning::kc ? count : start + tuning::kc;
               V block{};
               for (std::size_t t = start; t < end; ++t)
                  block = multiply_add<T>(load_as<V>(from + t * inner + c), broadcast_as<V>(weight[t]), block);
               sum = start ? sum + block : block;
            }
            store<T>(y + c, sum);
         });
      }
}

// The same where inner is known only at run time.
template <class T>
void resample_any(std::size_t outer, std::size_t size, std::size_t out, std::size_t inner, std::size_t taps,
                  const T *x, const T *weights, const std::int64_t *spans, T *y)
{
   if (inner < lanes<T>)
      resample<true>(outer, size, out, inner, taps, x, weights, spans, y);
   else
      resample<false>(outer, size, out, inner, taps, x, weights, spans, y);
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
