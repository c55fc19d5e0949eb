// Depthwise convolution of channels-last images, with bias and epilogue (tile.hxx): every channel has a kernel of
// its own,
//
//    y[b][od][oh][ow][c] = epilogue(bias[c] + sum over taps of x[b][...][c] * weights[tap][c])
//
// vectorised over channels, several pixels at once to reuse the weights. Taps outside the image are left out. A
// sum runs over the taps in order.
#ifndef SOFIE_JIT_DEPTHWISE_HXX
#define SOFIE_JIT_DEPTHWISE_HXX

#include "memory.hxx"
#include "tile.hxx"
#include "window.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// weights[tap][C] of kernel[taps][C], or, if `channels_first`, of kernel[C][taps] (ONNX).
template <class T>
SOFIE_JIT_COLD Buffer<T> pack_depthwise(const T *kernel, std::size_t taps, std::size_t C, bool channels_first = false)
{
   Buffer<T> packed(taps * C);
   for (std::size_t tap = 0; tap < taps; ++tap)
      for (std::size_t c = 0; c < C; ++c)
         packed[tap * C + c] = channels_first ? kernel[c * taps + tap] : kernel[tap * C + c];
   return packed;
}

// The bounds of an epilogue, for a vector or a number.
template <class V, class T>
SOFIE_JIT_INLINE V bound(V x, const Epilogue<T> &epilogue)
{
   const V low = spread<V>(epilogue.low), high = spread<V>(epilogue.high);
   x = x < low ? low : x;
   return x > high ? high : x;
}

template <class V, int P, class T>
SOFIE_JIT_INLINE void depthwise_pixels(std::size_t C, const T *x, std::size_t place, std::size_t step, const Tap *taps,
                                       std::size_t count, const T *weights, const T *bias, T *y,
                                       const Epilogue<T> &epilogue)
{
   each_channels<V, 1, T>(C, [&](std::size_t c) {
      V sum[P] = {};
      SOFIE_JIT_ROLLED
      for (std::size_t t = 0; t < count; ++t) {
         const V weight = fetch<V>(weights + taps[t].number * C + c);
         const T *at = x + (place + taps[t].offset + c);
         SOFIE_JIT_UNROLL
         for (int p = 0; p < P; ++p)
            sum[p] = multiply_add<T>(fetch<V>(at + std::size_t(p) * step), weight, sum[p]);
      }
      const V b = fetch<V>(bias + c);
      SOFIE_JIT_UNROLL
      for (int p = 0; p < P; ++p)
         put<T>(y + std::size_t(p) * C + c, bound(sum[p] + b, epilogue));
   });
}

// x repeated along the channels: y[n][c * times + m] = x[n][c]. What a depth multiplier above 1 needs.
template <class T>
void repeat_channels(std::size_t pixels, std::size_t C, std::size_t times, const T *x, T *y)
{
   for (std::size_t i = 0; i < pixels * C; ++i)
      for (std::size_t m = 0; m < times; ++m)
         *y++ = x[i];
}

// Few: C < lanes<T>. bias from pack_bias; scratch: 2 * w.taps() numbers.
template <bool Few, class T>
SOFIE_JIT_NOINLINE void depthwise(std::size_t batch, const Window &w, std::size_t C, const T *x, const T *weights, const T *bias, T *y,
               std::int64_t *scratch, const Epilogue<T> &epilogue)
{
   Tap *taps = tap_list(scratch);
   SOFIE_JIT_ROLLED
   for (std::size_t b = 0; b < batch; ++b, x += w.inputs() * C, y += w.pixels() * C) {
      each_window<4>(w, C, taps, [&](auto P, std::size_t pixel, std::size_t place, std::size_t count) {
         depthwise_pixels<channels_of<T, Few>, decltype(P)::value>(C, x, place, w.SW * C, taps, count, weights, bias,
                                                                   y + pixel * C, epilogue);
      });
      if (epilogue.function)
         epilogue.function(w.pixels() * C, y, y);
   }
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
