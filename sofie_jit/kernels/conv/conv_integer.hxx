// Convolution of 8-bit integers: channels-first images, sums of 32 bits. Outside of the image is the zero point.
//
// An image is first copied to [group][D][H][W][channels] of 16 bits, less the zero point and padded by zeros. Then the
// window of an output is a row of a matrix, in segments: with a column dilation of 1 a segment has all columns of the
// window. Windows with one channel are multiplied channel by channel.
#ifndef SOFIE_JIT_CONV_INTEGER_HXX
#define SOFIE_JIT_CONV_INTEGER_HXX

#include "core/window.hxx"
#include "gemm/pair_gemm.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// The copied image: its sizes, and elements per pixel (channels of a group, of which the last ones may be padding).
struct PaddedImage {
   std::size_t D, H, W, channels;

   PaddedImage(const Window &w, std::size_t channels_of_pixel)
      : D((w.OD - 1) * w.SD + (w.KD - 1) * w.DD + 1), H(w.rows_under(w.OH)), W(w.columns_under(w.OW)),
        channels(channels_of_pixel)
   {
   }
   std::size_t at(std::size_t d, std::size_t h, std::size_t x) const { return ((d * H + h) * W + x) * channels; }
   std::size_t size() const { return D * H * W * channels; }
};

template <class Q>
void copy_padded(const Window &w, const PaddedImage &image, std::size_t C, const Q *x, const Q *zero, std::int16_t *to)
{
   std::memset(static_cast<void *>(to), 0, image.size() * sizeof(*to));
   const auto last = [](std::size_t size, std::size_t pad, std::size_t padded) {
      return size + pad < padded ? size : padded > pad ? padded - pad : 0; // windows may end within the image
   };
   const std::size_t columns = last(w.W, w.PW, image.W);
   for (std::size_t d = 0; d < last(w.D, w.PD, image.D); ++d)
      for (std::size_t h = 0; h < last(w.H, w.PH, image.H); ++h)
         for (std::size_t c = 0; c < C; ++c) {
            const Q *const from = x + ((c * w.D + d) * w.H + h) * w.W;
            std::int16_t *const row = to + image.at(d + w.PD, h + w.PH, w.PW) + c;
            for (std::size_t i = 0; i < columns; ++i)
               row[i * image.channels] = widened(from[i], zero, 0);
         }
}

// Panels of the kernel w[groups * M][C][taps], group by group; step: 1 for a zero point per output.
template <class Q>
void conv_panels(const Q *w, const Q *zero, std::size_t step, std::size_t groups, std::size_t M, std::size_t C,
                 std::size_t taps, std::int16_t *panels)
{
   const std::size_t padded = even(C), size = pair_panels_size(taps * padded, M);
   for (std::size_t g = 0; g < groups; ++g)
      pack_pair_panels(taps * padded, M, panels + g * size, [&](std::size_t k, std::size_t m) {
         const std::size_t c = k % padded, tap = k / padded, row = g * M + m;
         return c < C ? widened(w[(row * C + c) * taps + tap], zero, row * step) : std::int16_t(0);
      });
}

template <class T, class Q>
SOFIE_JIT_COLD Buffer<T> pack_conv_integer(const Q *w, const Q *zero, std::size_t step, std::size_t groups,
                                           std::size_t M, std::size_t C, std::size_t taps)
{
   Buffer<T> panels(groups * pair_panels_size(taps * even(C), M));
   conv_panels(w, zero, step, groups, M, C, taps, panels.data());
   return panels;
}

// The offsets of the segments in a copied image.
inline PairRows window_rows(const Window &w, const PaddedImage &image, std::int64_t *scratch)
{
   const bool whole = w.DW == 1;
   std::size_t *const offset = reinterpret_cast<std::size_t *>(scratch), columns = whole ? 1 : w.KW, count = 0;
   for (std::size_t d = 0; d < w.KD; ++d)
      for (std::size_t h = 0; h < w.KH; ++h)
         for (std::size_t x = 0; x < columns; ++x)
            offset[count++] = image.at(d * w.DD, h * w.DH, x * w.DW);
   return {count, (whole ? w.KW : 1) * image.channels / 2, offset};
}

// The first element under the window of an output.
inline std::size_t under(const Window &w, const PaddedImage &image, std::size_t pixel)
{
   const std::size_t x = pixel % w.OW, row = pixel / w.OW;
   return image.at(row / w.OH * w.SD, row % w.OH * w.SH, x * w.SW);
}

// y[batch][groups * M][pixels] from x[batch][groups * C][D][H][W]. copied: PaddedImage(w, even(C)).size() elements;
// scratch: w.taps() elements.
template <class Q>
void conv_integer(std::size_t batch, const Window &w, std::size_t groups, std::size_t C, std::size_t M, const Q *x,
                  const Q *zero, const std::int16_t *panels, std::int16_t *copied, std::int64_t *scratch,
                  std::int32_t *y)
{
   const PaddedImage image(w, even(C));
   const PairRows rows = window_rows(w, image, scratch);
   const std::size_t size = pair_panels_size(w.taps() * even(C), M);
   for (std::size_t b = 0; b < batch; ++b)
      for (std::size_t g = 0; g < groups; ++g, x += C * w.inputs(), y += M * w.pixels()) {
         copy_padded(w, image, C, x, zero, copied);
         pair_gemm(
            rows, w.pixels(), M, panels + g * size, [&](std::size_t pixel) { return copied + under(w, image, pixel); },
            y, 1, w.pixels());
      }
}

constexpr std::size_t integer_channels_block = 16; // channels

typedef std::int16_t NarrowChannels __attribute__((vector_size(2 * integer_channels_block), aligned(2), may_alias));
typedef std::int32_t IntegerChannels __attribute__((vector_size(4 * integer_channels_block)));

// (A macro, because compilers warn about parameters and results that are wider than a register.)
#define SOFIE_JIT_INTEGER_CHANNELS(p) \
   __builtin_convertvector(*reinterpret_cast<const NarrowChannels *>(p), IntegerChannels)

constexpr std::size_t integer_channels(std::size_t C)
{
   return (C + integer_channels_block - 1) / integer_channels_block * integer_channels_block;
}

// w[C][taps] as [taps][integer_channels(C)].
template <class T, class Q>
SOFIE_JIT_COLD Buffer<T> pack_depthwise_integer(const Q *w, const Q *zero, std::size_t step, std::size_t C,
                                                std::size_t taps)
{
   const std::size_t row = integer_channels(C);
   Buffer<T> packed(taps * row);
   for (std::size_t tap = 0; tap < taps; ++tap)
      for (std::size_t c = 0; c < C; ++c)
         packed[tap * row + c] = widened(w[c * taps + tap], zero, c * step);
   return packed;
}

// Each channel with its own window: y[batch][C][pixels]. copied: PaddedImage(w, integer_channels(C)).size() elements.
template <class Q>
void depthwise_integer(std::size_t batch, const Window &w, std::size_t C, const Q *x, const Q *zero,
                       const std::int16_t *packed, std::int16_t *copied, std::int32_t *y)
{
   const PaddedImage image(w, integer_channels(C));
   for (std::size_t b = 0; b < batch; ++b, x += C * w.inputs(), y += C * w.pixels()) {
      copy_padded(w, image, C, x, zero, copied);
      for (std::size_t first = 0; first < C; first += integer_channels_block) {
         const std::size_t used = C - first < integer_channels_block ? C - first : integer_channels_block;
         for (std::size_t pixel = 0; pixel < w.pixels(); ++pixel) {
            const std::int16_t *const from = copied + under(w, image, pixel) + first, *weight = packed + first;
            IntegerChannels sum = {};
            for (std::size_t d = 0; d < w.KD; ++d)
               for (std::size_t h = 0; h < w.KH; ++h)
                  for (std::size_t column = 0; column < w.KW; ++column, weight += image.channels)
                     sum += SOFIE_JIT_INTEGER_CHANNELS(from + image.at(d * w.DD, h * w.DH, column * w.DW)) *
                            SOFIE_JIT_INTEGER_CHANNELS(weight);
            for (std::size_t c = 0; c < used; ++c)
               y[(first + c) * w.pixels() + pixel] = sum[c];
         }
      }
   }
}

#undef SOFIE_JIT_INTEGER_CHANNELS

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
