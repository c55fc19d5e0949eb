// The geometry of convolution and pooling: a window that slides over channels-last images [D][H][W][C].
//
// One- and two-dimensional layers are the special case D = 1 (and H = 1) with kernel 1 and stride 1.
#ifndef SOFIE_JIT_WINDOW_HXX
#define SOFIE_JIT_WINDOW_HXX

#include "core/simd.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

struct Window {
   std::size_t D, H, W;    // input image
   std::size_t OD, OH, OW; // output image
   std::size_t KD, KH, KW; // taps of the kernel
   std::size_t SD, SH, SW; // strides
   std::size_t DD, DH, DW; // dilations: distance between adjacent taps
   std::size_t PD, PH, PW; // padding before the image; that after it follows from the output's size

   SOFIE_JIT_INLINE constexpr std::size_t taps() const { return KD * KH * KW; }
   SOFIE_JIT_INLINE constexpr std::size_t inputs() const { return D * H * W; }
   SOFIE_JIT_INLINE constexpr std::size_t pixels() const { return OD * OH * OW; }

   // Input rows (columns) from the first to the last that `n` adjacent output rows (columns) depend on.
   SOFIE_JIT_INLINE constexpr std::size_t rows_under(std::size_t n) const { return (n - 1) * SH + (KH - 1) * DH + 1; }
   SOFIE_JIT_INLINE constexpr std::size_t columns_under(std::size_t n) const
   {
      return (n - 1) * SW + (KW - 1) * DW + 1;
   }

   // Whether some window reaches beyond the image.
   SOFIE_JIT_INLINE constexpr bool padded() const
   {
      return PD || PH || PW || (OD - 1) * SD + (KD - 1) * DD >= D || rows_under(OH) > H || columns_under(OW) > W;
   }
};

// The taps [first, last) along one axis that lie inside the image, for one output index. `start` is the input index of
// tap 0; before the image it is negative, modulo 2^64.
struct Taps {
   std::size_t first, last, start;

   SOFIE_JIT_INLINE bool same_taps(const Taps &other) const { return first == other.first && last == other.last; }
};

SOFIE_JIT_NOINLINE inline Taps taps_inside(std::size_t o, std::size_t size, std::size_t kernel, std::size_t stride,
                                           std::size_t dilation, std::size_t pad)
{
   const std::size_t at = o * stride;
   const std::size_t first = at >= pad ? 0 : (pad - at + dilation - 1) / dilation;
   const std::size_t end = size + pad > at ? (size + pad - at + dilation - 1) / dilation : 0;
   return {first, end < first ? first : end < kernel ? end : kernel, at - pad};
}

// One tap: its number, and its distance in memory from tap 0.
struct Tap {
   std::size_t number, offset;
};

// Scratch memory of 2 * w.taps() integers of 64 bits as a list of taps.
SOFIE_JIT_INLINE Tap *tap_list(std::int64_t *scratch)
{
   static_assert(sizeof(Tap) <= 2 * sizeof(std::int64_t), "a tap takes two integers");
   return reinterpret_cast<Tap *>(scratch);
}

// Lists the taps inside the image, in order; returns their number.
inline std::size_t list_taps(const Window &w, std::size_t C, const Taps &d, const Taps &h, const Taps &columns,
                             Tap *taps)
{
   std::size_t count = 0;
   SOFIE_JIT_ROLLED
   for (std::size_t kd = d.first; kd < d.last; ++kd)
      SOFIE_JIT_ROLLED
      for (std::size_t kh = h.first; kh < h.last; ++kh)
         SOFIE_JIT_ROLLED
         for (std::size_t kw = columns.first; kw < columns.last; ++kw)
            taps[count++] = {(kd * w.KH + kh) * w.KW + kw, ((kd * w.DD * w.H + kh * w.DH) * w.W + kw * w.DW) * C};
   return count;
}

// Visits all output pixels of an image of C channels: f(P, pixel, offset, count) for P adjacent pixels of a row whose
// windows lie inside the image along W, and f(1, ...) for single pixels; P and 1 are passed as std::integral_constant.
// Tap 0 of the first pixel is at x + offset (modulo 2^64), and taps[0 ... count - 1] are those inside the image. Blocks
// at the end of a row may overlap. `taps` has space for all taps. Without Singles every row has P windows, and all lie
// inside along W.
template <int P, bool Singles, class F>
SOFIE_JIT_INLINE void each_window(const Window &w, std::size_t C, Tap *taps, F f)
{
   constexpr std::integral_constant<int, P> block_pixels{};
   constexpr std::integral_constant<int, 1> single_pixel{};
   const std::size_t reach = (w.KW - 1) * w.DW + 1, first = (w.PW + w.SW - 1) / w.SW;
   const std::size_t end = w.W + w.PW >= reach ? (w.W + w.PW - reach) / w.SW + 1 : 0;
   const std::size_t last = end < w.OW ? end : w.OW;
   std::size_t count = 0;
   Taps listed_d{}, listed_h{}, listed_columns{};
   SOFIE_JIT_ROLLED
   for (std::size_t od = 0; od < w.OD; ++od) {
      const Taps d = taps_inside(od, w.D, w.KD, w.SD, w.DD, w.PD);
      SOFIE_JIT_ROLLED
      for (std::size_t oh = 0; oh < w.OH; ++oh) {
         const Taps h = taps_inside(oh, w.H, w.KH, w.SH, w.DH, w.PH);
         const std::size_t row = (od * w.OH + oh) * w.OW;
         SOFIE_JIT_ROLLED
         for (std::size_t ow = 0; ow < w.OW;) {
            const bool block = P > 1 && ow >= first && ow < last && last - first >= P;
            ow = block && ow + P > last ? last - P : ow;
            const Taps columns = taps_inside(ow, w.W, w.KW, w.SW, w.DW, w.PW);
            if (!d.same_taps(listed_d) || !h.same_taps(listed_h) || !columns.same_taps(listed_columns)) {
               count = list_taps(w, C, d, h, columns, taps);
               listed_d = d;
               listed_h = h;
               listed_columns = columns;
            }
            const std::size_t offset = ((d.start * w.H + h.start) * w.W + columns.start) * C;
            if constexpr (Singles)
               if (!block)
                  f(single_pixel, row + ow, offset, count);
            if (block)
               f(block_pixels, row + ow, offset, count);
            ow += block ? P : 1;
         }
      }
   }
}

// Channels are processed a vector at a time, or one by one if there are fewer than lanes<T>: V is vec<T> or T, with the
// same code.
template <class T, bool Few>
using channel_type = std::conditional_t<Few, T, vec<T>>;

template <class V, class T>
SOFIE_JIT_INLINE V load_as(const T *p)
{
   if constexpr (std::is_same_v<V, T>)
      return *p;
   else
      return load(p);
}

template <class T>
SOFIE_JIT_INLINE void store(T *p, T x)
{
   *p = x;
}

template <class V, class T>
SOFIE_JIT_INLINE V broadcast_as(T x)
{
   if constexpr (std::is_same_v<V, T>)
      return x;
   else
      return broadcast(x);
}

// a * b + c, as fma() and fma1() of simd.hxx.
template <class T>
SOFIE_JIT_INLINE T multiply_add(T a, T b, T c)
{
   return fma1(a, b, c);
}

template <class T>
SOFIE_JIT_INLINE vec<T> multiply_add(vec<T> a, vec<T> b, vec<T> c)
{
   return fma<T>(a, b, c);
}

// Calls f(c) for steps of NV vectors V that cover C channels; the last step may overlap the previous one.
template <class V, int NV, class T, class F>
SOFIE_JIT_INLINE void each_channels(std::size_t C, F f)
{
   constexpr std::size_t width = NV * sizeof(V) / sizeof(T);
   SOFIE_JIT_ROLLED
   for (std::size_t c = 0; c < C; c += width)
      f(c + width <= C ? c : C - width);
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
