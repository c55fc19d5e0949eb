// Pooling of channels-last images in one, two or three dimensions, vectorized over channels.
//
// Pixels outside the image are ignored unless an option includes them: averages divide by the number of pixels inside.
// As in TensorFlow, maxima over a window start from the lowest finite number and skip NaN, while the global maximum
// propagates NaN.
#ifndef SOFIE_JIT_POOL_HXX
#define SOFIE_JIT_POOL_HXX

#include "core/tile.hxx"
#include "core/window.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// The operation on the elements of a window. V is vec<T> or T.
struct MaxPool {
   bool zeros = false; // pixels outside the image count as zeros

   template <class T>
   static constexpr T start = std::numeric_limits<T>::lowest();

   template <class V>
   static SOFIE_JIT_INLINE V step(V result, V x)
   {
      return x > result ? x : result;
   }
   template <class T, class V>
   SOFIE_JIT_INLINE V finish(V result, std::size_t inside, std::size_t taps) const
   {
      return zeros && inside < taps ? step(result, V{}) : result;
   }
};

struct AveragePool {
   bool count_padding = false; // divide by all taps of the window, including those outside the image

   template <class T>
   static constexpr T start = T(0);

   template <class V>
   static SOFIE_JIT_INLINE V step(V result, V x)
   {
      return result + x;
   }
   template <class T, class V>
   SOFIE_JIT_INLINE V finish(V result, std::size_t inside, std::size_t taps) const
   {
      return result / broadcast_as<V>(T(count_padding ? taps : inside));
   }
};

template <class V, int P, class T, class Op>
SOFIE_JIT_INLINE void pool_pixels(std::size_t C, const T *x, std::size_t offset, std::size_t step, const Tap *taps,
                                  std::size_t count, std::size_t all, T *y, const Op &op)
{
   each_channels<V, 1, T>(C, [&](std::size_t c) SOFIE_JIT_INLINED {
      V result[P];
      SOFIE_JIT_UNROLL
      for (int p = 0; p < P; ++p)
         result[p] = broadcast_as<V>(Op::template start<T>);
      SOFIE_JIT_ROLLED
      for (std::size_t t = 0; t < count; ++t) {
         const T *at = x + (offset + taps[t].offset + c);
         SOFIE_JIT_UNROLL
         for (int p = 0; p < P; ++p)
            result[p] = Op::step(result[p], load_as<V>(at + std::size_t(p) * step));
      }
      SOFIE_JIT_UNROLL
      for (int p = 0; p < P; ++p)
         store<T>(y + std::size_t(p) * C + c, op.template finish<T>(result[p], count, all));
   });
}

// y[batch][OD][OH][OW][C] from x[batch][D][H][W][C]. Few: C < lanes<T>. Singles: see each_window. scratch: 2 * w.taps()
// elements.
template <bool Few, bool Singles = true, class T, class Op>
SOFIE_JIT_NOINLINE void pool(std::size_t batch, const Window &w, std::size_t C, const T *x, T *y, std::int64_t *scratch,
                             const Op &op)
{
   Tap *taps = tap_list(scratch);
   const auto pixels = [&](auto P, std::size_t pixel, std::size_t offset, std::size_t count) SOFIE_JIT_INLINED {
      pool_pixels<channel_type<T, Few>, decltype(P)::value>(C, x, offset, w.SW * C, taps, count, w.taps(),
                                                            y + pixel * C, op);
   };
   SOFIE_JIT_ROLLED
   for (std::size_t b = 0; b < batch; ++b, x += w.inputs() * C, y += w.pixels() * C)
      each_window<tuning::pool_pixels, Singles>(w, C, taps, pixels);
}

// Over a whole image: blocks of tuning::kc pixels, each from `start`, combined in order, so that long sums stay
// accurate.
struct GlobalMaxPool {
   template <class T>
   static constexpr T start = -std::numeric_limits<T>::infinity();

   template <class V>
   static SOFIE_JIT_INLINE V step(V result, V x)
   {
      return x > result ? x : x == x ? result : x;
   }
   template <class T, class V>
   static SOFIE_JIT_INLINE V finish(V result, std::size_t)
   {
      return result;
   }
};

struct GlobalAveragePool {
   template <class T>
   static constexpr T start = T(0);

   template <class V>
   static SOFIE_JIT_INLINE V step(V result, V x)
   {
      return result + x;
   }
   template <class T, class V>
   static SOFIE_JIT_INLINE V finish(V result, std::size_t pixels)
   {
      return result / broadcast_as<V>(T(pixels));
   }
};

template <class V, int NV, class Op, class T>
SOFIE_JIT_INLINE void global_pool_channels(std::size_t pixels, std::size_t C, const T *x, T *y)
{
   constexpr std::size_t width = sizeof(V) / sizeof(T);
   const V start = broadcast_as<V>(Op::template start<T>);
   V result[NV], block[NV];
   SOFIE_JIT_UNROLL
   for (int j = 0; j < NV; ++j)
      result[j] = start;
   for (std::size_t from = 0; from < pixels; from += tuning::kc) {
      const std::size_t to = from + tuning::kc < pixels ? from + tuning::kc : pixels;
      SOFIE_JIT_UNROLL
      for (int j = 0; j < NV; ++j)
         block[j] = start;
      for (std::size_t pixel = from; pixel < to; ++pixel)
         SOFIE_JIT_UNROLL
         for (int j = 0; j < NV; ++j)
            block[j] = Op::step(block[j], load_as<V>(x + pixel * C + std::size_t(j) * width));
      SOFIE_JIT_UNROLL
      for (int j = 0; j < NV; ++j)
         result[j] = Op::step(result[j], block[j]);
   }
   SOFIE_JIT_UNROLL
   for (int j = 0; j < NV; ++j)
      store<T>(y + std::size_t(j) * width, Op::template finish<T>(result[j], pixels));
}

// y[batch][C] from x[batch][pixels][C]. Few: C < lanes<T>.
template <bool Few, class T, class Op>
void global_pool(std::size_t batch, std::size_t pixels, std::size_t C, const T *x, T *y, const Op &)
{
   using V = channel_type<T, Few>;
   constexpr std::size_t wide = 4 * sizeof(V) / sizeof(T);
   for (std::size_t b = 0; b < batch; ++b, x += pixels * C, y += C)
      if (C >= wide)
         each_channels<V, 4, T>(C, [&](std::size_t c) { global_pool_channels<V, 4, Op>(pixels, C, x + c, y + c); });
      else
         each_channels<V, 1, T>(C, [&](std::size_t c) { global_pool_channels<V, 1, Op>(pixels, C, x + c, y + c); });
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
