// The geometry that convolution and pooling share: a window that slides over channels-last images [D][H][W][C].
//
// One- and two-dimensional layers are the special case D = 1 (and H = 1): extent 1, kernel 1, stride 1.
#ifndef SOFIE_JIT_WINDOW_HXX
#define SOFIE_JIT_WINDOW_HXX

#include "simd.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

struct Window {
   std::size_t D, H, W;    // the input image
   std::size_t OD, OH, OW; // the output image
   std::size_t KD, KH, KW; // taps of the kernel
   std::size_t SD, SH, SW; // strides
   std::size_t DD, DH, DW; // dilations: distance of neighbouring taps
   std::size_t PD, PH, PW; // padding before the image; that behind it follows from the output's size

   constexpr std::size_t taps() const { return KD * KH * KW; }
   constexpr std::size_t inputs() const { return D * H * W; }
   constexpr std::size_t pixels() const { return OD * OH * OW; }

   // Input rows (columns) from the first to the last that `n` neighbouring output rows (columns) touch.
   constexpr std::size_t rows_under(std::size_t n) const { return (n - 1) * SH + (KH - 1) * DH + 1; }
   constexpr std::size_t columns_under(std::size_t n) const { return (n - 1) * SW + (KW - 1) * DW + 1; }

   // Whether some window reaches beyond the image.
   constexpr bool padded() const
   {
      return PD || PH || PW || (OD - 1) * SD + (KD - 1) * DD >= D || rows_under(OH) > H || columns_under(OW) > W;
   }
};

// The taps of one axis that lie inside the image, for one output position: [first, last), the input index of tap 0
// being `start` (which may be negative: it wraps around, and start + tap * dilation wraps back).
struct Taps {
   std::size_t first, last, start;
};

constexpr Taps taps_inside(std::size_t o, std::size_t size, std::size_t kernel, std::size_t stride, std::size_t dilation,
                           std::size_t pad)
{
   const std::size_t at = o * stride;
   const std::size_t first = at >= pad ? 0 : (pad - at + dilation - 1) / dilation;
   const std::size_t end = size + pad > at ? (size + pad - at + dilation - 1) / dilation : 0;
   return {first, end < first ? first : end < kernel ? end : kernel, at - pad};
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
