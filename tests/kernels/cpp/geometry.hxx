// Windows for the kernel tests.
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

} // namespace check
#endif
