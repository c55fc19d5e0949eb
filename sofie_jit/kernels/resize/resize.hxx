// Bilinear resizing of channels-last images with half-pixel centers: output pixel o of n is at (o + 1/2) * size / n -
// 1/2 of the input; positions beyond the outermost pixels take their values.
#ifndef SOFIE_JIT_RESIZE_HXX
#define SOFIE_JIT_RESIZE_HXX

#include "core/window.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// The two input indices between which output index o lies, and the weight of the second.
template <class T>
struct Interpolation {
   std::size_t low, high;
   T fraction;
};

template <class T>
Interpolation<T> interpolation(std::size_t o, std::size_t size, std::size_t out)
{
   const std::size_t twice = (2 * o + 1) * size, unit = 2 * out; // the position plus a half, in units of 1 / unit
   if (twice < out)
      return {0, 0, T(0)};
   const std::size_t low = (twice - out) / unit;
   return {low, low + 1 < size ? low + 1 : low, T(double((twice - out) % unit) / double(unit))};
}

// Few: C < lanes<T>.
template <bool Few, class T>
void resize_bilinear(std::size_t batch, std::size_t H, std::size_t W, std::size_t C, std::size_t OH, std::size_t OW,
                     const T *x, T *y)
{
   using V = channel_type<T, Few>;
   for (std::size_t b = 0; b < batch; ++b, x += H * W * C)
      for (std::size_t oh = 0; oh < OH; ++oh) {
         const auto h = interpolation<T>(oh, H, OH);
         for (std::size_t ow = 0; ow < OW; ++ow, y += C) {
            const auto w = interpolation<T>(ow, W, OW);
            const T *top = x + h.low * W * C, *bottom = x + h.high * W * C;
            const V right = broadcast_as<V>(w.fraction), down = broadcast_as<V>(h.fraction);
            each_channels<V, 1, T>(C, [&](std::size_t c) {
               const V a = load_as<V>(top + w.low * C + c), d = load_as<V>(bottom + w.low * C + c);
               const V above = multiply_add<T>(load_as<V>(top + w.high * C + c) - a, right, a);
               const V below = multiply_add<T>(load_as<V>(bottom + w.high * C + c) - d, right, d);
               store<T>(y + c, multiply_add<T>(below - above, down, above));
            });
         }
      }
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
