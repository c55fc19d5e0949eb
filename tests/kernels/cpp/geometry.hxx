// Windows for the kernel tests, and what "the image with zeros around it" means in the plainest words.
#ifndef SOFIE_JIT_TESTS_GEOMETRY_HXX
#define SOFIE_JIT_TESTS_GEOMETRY_HXX

#include <string>

#include "core/window.hxx"

namespace check {

using sofie_jit::Window;

struct Axis {
   std::size_t size, kernel, stride, dilation, before, after;
   constexpr std::size_t out() const { return (size + before + after - (kernel - 1) * dilation - 1) / stride + 1; }
};

constexpr Window window(Axis d, Axis h, Axis w)
{
   return {d.size,   h.size,   w.size,   d.out(),    h.out(),    w.out(),    d.kernel, h.kernel, w.kernel,
           d.stride, h.stride, w.stride, d.dilation, h.dilation, w.dilation, d.before, h.before, w.before};
}

constexpr Axis one{1, 1, 1, 1, 0, 0};

inline std::string describe(const Window &w)
{
   std::string text;
   for (std::size_t n :
        {w.D, w.H, w.W, w.OD, w.OH, w.OW, w.KD, w.KH, w.KW, w.SD, w.SH, w.SW, w.DD, w.DH, w.DW, w.PD, w.PH, w.PW})
      text += " " + std::to_string(n);
   return text;
}

// Calls f(tap, input pixel) for every tap of the window at output pixel (od, oh, ow) that lies inside the image.
template <class F>
void each_tap(const Window &w, std::size_t od, std::size_t oh, std::size_t ow, F f)
{
   for (std::size_t kd = 0; kd < w.KD; ++kd)
      for (std::size_t kh = 0; kh < w.KH; ++kh)
         for (std::size_t kw = 0; kw < w.KW; ++kw) {
            const long d = long(od * w.SD + kd * w.DD) - long(w.PD), h = long(oh * w.SH + kh * w.DH) - long(w.PH),
                       c = long(ow * w.SW + kw * w.DW) - long(w.PW);
            if (d >= 0 && h >= 0 && c >= 0 && d < long(w.D) && h < long(w.H) && c < long(w.W))
               f((kd * w.KH + kh) * w.KW + kw, (std::size_t(d) * w.H + std::size_t(h)) * w.W + std::size_t(c));
         }
}

} // namespace check
#endif
