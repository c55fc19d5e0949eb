// Depthwise convolution of channels-last images, with bias and epilogue (tile.hxx): every channel has its own kernel,
//
//    y[b][od][oh][ow][c] = epilogue(bias[c] + sum over taps of x[b][...][c] * weights[tap][c])
//
// vectorized over channels. Taps outside the image are left out. A sum runs over the taps in order.
//
// `depthwise` takes any window and computes several pixels of a row at once to reuse the weights. `depthwise_square`
// takes windows of K x K taps, the common case, and computes blocks of 2 x 2 pixels, in which an input is loaded once
// for all its outputs: 1.7 to 2.4 times as fast in the second-level cache.
#ifndef SOFIE_JIT_DEPTHWISE_HXX
#define SOFIE_JIT_DEPTHWISE_HXX

#include "core/memory.hxx"
#include "core/tile.hxx"
#include "core/window.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// Packs kernel[taps][C] or, if `channels_first`, kernel[C][taps] (ONNX) into weights[tap][C].
template <class T>
SOFIE_JIT_COLD Buffer<T> pack_depthwise(const T *kernel, std::size_t taps, std::size_t C, bool channels_first = false)
{
   Buffer<T> packed(taps * C);
   for (std::size_t tap = 0; tap < taps; ++tap)
      for (std::size_t c = 0; c < C; ++c)
         packed[tap * C + c] = channels_first ? kernel[c * taps + tap] : kernel[tap * C + c];
   return packed;
}

// Applies the bounds of an epilogue to a vector or a single element.
template <class V, class T>
SOFIE_JIT_INLINE V bound(V x, const Epilogue<T> &epilogue)
{
   const V low = broadcast_as<V>(epilogue.low), high = broadcast_as<V>(epilogue.high);
   x = x < low ? low : x;
   return x > high ? high : x;
}

template <class V, int P, class T>
SOFIE_JIT_INLINE void depthwise_pixels(std::size_t C, const T *x, std::size_t offset, std::size_t step, const Tap *taps,
                                       std::size_t count, const T *weights, const T *bias, T *y,
                                       const Epilogue<T> &epilogue)
{
   each_channels<V, 1, T>(C, [&](std::size_t c) {
      V sum[P] = {};
      SOFIE_JIT_ROLLED
      for (std::size_t t = 0; t < count; ++t) {
         const V weight = load_as<V>(weights + taps[t].number * C + c);
         const T *at = x + (offset + taps[t].offset + c);
         SOFIE_JIT_UNROLL
         for (int p = 0; p < P; ++p)
            sum[p] = multiply_add<T>(load_as<V>(at + std::size_t(p) * step), weight, sum[p]);
      }
      const V b = load_as<V>(bias + c);
      SOFIE_JIT_UNROLL
      for (int p = 0; p < P; ++p)
         store<T>(y + std::size_t(p) * C + c, bound(sum[p] + b, epilogue));
   });
}

// Repeats x along the channels: y[n][c * times + m] = x[n][c]. Needed for depth multipliers above 1.
template <class T>
void repeat_channels(std::size_t pixels, std::size_t C, std::size_t times, const T *x, T *y)
{
   for (std::size_t i = 0; i < pixels * C; ++i)
      for (std::size_t m = 0; m < times; ++m)
         *y++ = x[i];
}

// Few: C < lanes<T>. bias from pack_bias. scratch: 2 * w.taps() elements.
template <bool Few, class T>
SOFIE_JIT_NOINLINE void depthwise(std::size_t batch, const Window &w, std::size_t C, const T *x, const T *weights,
                                  const T *bias, T *y, std::int64_t *scratch, const Epilogue<T> &epilogue)
{
   Tap *taps = tap_list(scratch);
   SOFIE_JIT_ROLLED
   for (std::size_t b = 0; b < batch; ++b, x += w.inputs() * C, y += w.pixels() * C) {
      each_window<4, true>(w, C, taps, [&](auto P, std::size_t pixel, std::size_t offset, std::size_t count) {
         depthwise_pixels<channel_type<T, Few>, decltype(P)::value>(C, x, offset, w.SW * C, taps, count, weights, bias,
                                                                    y + pixel * C, epilogue);
      });
      if (epilogue.function)
         epilogue.function(w.pixels() * C, y, y);
   }
}

// Packs a kernel as above into [ceil(C / lanes)][taps][lanes]. The last panel starts at channel C - lanes; C >=
// lanes<T>.
template <class T>
SOFIE_JIT_COLD Buffer<T> pack_depthwise_panels(const T *kernel, std::size_t taps, std::size_t C,
                                               bool channels_first = false)
{
   constexpr std::size_t width = lanes<T>;
   const Buffer<T> by_tap = pack_depthwise(kernel, taps, C, channels_first);
   Buffer<T> packed((C + width - 1) / width * width * taps);
   T *to = packed.data();
   each_channels<vec<T>, 1, T>(C, [&](std::size_t c) {
      for (std::size_t tap = 0; tap < taps; ++tap, to += width)
         copy(width, by_tap.data() + tap * C + c, to);
   });
   return packed;
}

// Channels of a block. A few rows of the inputs and outputs of a block stay in the first-level cache, and blocks are
// whole cache lines. (14 x 14 x 384: 32, 64, 128 and 192 channels of float take 25.5, 22.9, 22.0 and 21.6 us, all
// channels at once 27.3.)
template <class T>
constexpr std::size_t depthwise_channels = 768 / sizeof(T);

// Taps or inputs [first, last) along an axis of a block.
struct Inside {
   std::size_t first, last;
   bool has(int i) const { return first <= std::size_t(i) && std::size_t(i) < last; }
};

// Which of the `extent` inputs from output `o` on lie inside an image of `size` pixels.
constexpr Inside inside(std::size_t o, std::size_t stride, std::size_t size, std::size_t pad, std::size_t extent)
{
   const std::size_t at = o * stride, end = size + pad > at ? size + pad - at : 0;
   return {at < pad ? pad - at : 0, end < extent ? end : extent};
}

// The arguments that all blocks of 2 x 2 outputs share.
template <class T>
struct DepthwiseSquare {
   std::size_t C, row;               // channels; distance between rows of x
   std::size_t next_row, next_pixel; // distances between the outputs of a block
   const T *x, *bias;
   const Epilogue<T> &epilogue;
};

// Computes 2 x 2 outputs of channels [from, to) at y from the inputs at x + offset (modulo 2^64). Whole: all columns of
// inputs lie inside the image. weights: from channel `from` on. Blocks at the image's edge are compiled separately:
// checks in all blocks would cost 10 to 20 %.
template <int K, int S, bool Whole, class T>
void depthwise_block(const DepthwiseSquare<T> &d, std::size_t from, std::size_t to, std::size_t offset, Inside rows,
                     Inside columns, const T *weights, T *y)
{
   constexpr int extent = S + K, width = lanes<T>;
   const Epilogue<T> bounds = d.epilogue; // stores could alias d.epilogue
   SOFIE_JIT_ROLLED
   for (std::size_t start = from; start < to; start += width, weights += K * K * width) {
      const std::size_t c = start + width <= d.C ? start : d.C - width;
      vec<T> sum[2][2] = {};
      SOFIE_JIT_UNROLL
      for (int h = 0; h < extent; ++h) {
         if (!rows.has(h))
            continue;
         const std::size_t at = offset + std::size_t(h) * d.row + c;
         SOFIE_JIT_UNROLL
         for (int kw = 0; kw < K; ++kw)
            SOFIE_JIT_UNROLL
            for (int j = 0; j < 2; ++j) {
               if (!Whole && !columns.has(kw + j * S))
                  continue;
               const vec<T> input = load(d.x + (at + std::size_t(kw + j * S) * d.C));
               if (h < K)
                  sum[0][j] = fma<T>(input, load(weights + (h * K + kw) * width), sum[0][j]);
               if (h >= S)
                  sum[1][j] = fma<T>(input, load(weights + ((h - S) * K + kw) * width), sum[1][j]);
            }
      }
      const vec<T> b = load(d.bias + c);
      SOFIE_JIT_UNROLL
      for (int i = 0; i < 2; ++i)
         SOFIE_JIT_UNROLL
         for (int j = 0; j < 2; ++j)
            store(y + (std::size_t(i) * d.next_row + std::size_t(j) * d.next_pixel + c), bound(sum[i][j] + b, bounds));
   }
}

// depthwise_square<K, S, T> as a pointer, for kernels that are compiled separately from it.
template <class T>
using DepthwiseFunction = void (*)(std::size_t batch, const Window &w, std::size_t C, const T *x, const T *weights,
                                   const T *bias, T *y, const Epilogue<T> &epilogue);

// Images of one plane, KH = KW = K, SH = SW = S, no dilation, C >= lanes<T>. weights from pack_depthwise_panels.
template <int K, int S, class T>
SOFIE_JIT_NOINLINE void depthwise_square(std::size_t batch, const Window &w, std::size_t C, const T *x,
                                         const T *weights, const T *bias, T *y, const Epilogue<T> &epilogue)
{
   constexpr std::size_t extent = S + K, channel_block = depthwise_channels<T>;
   const bool rows_2 = w.OH > 1, columns_2 = w.OW > 1;
   DepthwiseSquare<T> d{C, w.W * C, rows_2 ? w.OW * C : 0, columns_2 ? C : 0, x, bias, epilogue};
   // A single row is the second one of its block; the first one lies before the image and is overwritten by it.
   const std::size_t last_row = rows_2 ? w.OH - 2 : 0, above = rows_2 ? w.PH : w.PH + S;
   const std::size_t last_column = columns_2 ? w.OW - 2 : 0, before = columns_2 ? w.PW : w.PW + S;
   SOFIE_JIT_ROLLED
   for (std::size_t b = 0; b < batch; ++b, d.x += w.inputs() * C, y += w.pixels() * C) {
      SOFIE_JIT_ROLLED
      for (std::size_t from = 0; from < C; from += channel_block) {
         const std::size_t to = C - from < channel_block ? C : from + channel_block;
         SOFIE_JIT_ROLLED
         for (std::size_t i = 0; i < w.OH; i += 2) {
            const std::size_t oh = i < last_row ? i : last_row; // the last blocks may overlap the previous ones
            const Inside rows = inside(oh, S, w.H, above, extent);
            SOFIE_JIT_ROLLED
            for (std::size_t j = 0; j < w.OW; j += 2) {
               const std::size_t ow = j < last_column ? j : last_column;
               const Inside columns = inside(ow, S, w.W, before, extent);
               const bool whole = columns.first == 0 && columns.last == extent;
               const auto block = whole ? depthwise_block<K, S, true, T> : depthwise_block<K, S, false, T>;
               block(d, from, to, (oh * S - above) * d.row + (ow * S - before) * C, rows, columns,
                     weights + from * K * K, y + (oh * w.OW + ow) * C);
            }
         }
      }
      if (epilogue.function)
         epilogue.function(w.pixels() * C, y, y);
   }
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
