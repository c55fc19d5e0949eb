// Functions that the references of several kernels share: elementary functions and the taps of a sliding window.
//
// A reference computes what a kernel computes, in double precision, by loops that read like the definition. The tests
// compare the fast kernels with them; no kernel includes them.
#ifndef SOFIE_JIT_CORE_REFERENCE_HXX
#define SOFIE_JIT_CORE_REFERENCE_HXX

#include <cmath>

#include "core/window.hxx"

namespace sofie_jit {
namespace reference {

// 1 / (1 + exp(-x)), by an exponential that does not overflow.
template <class Real>
Real sigmoid(Real x)
{
   return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x));
}

// log(1 + exp(x)); NaN stays.
template <class Real>
Real softplus(Real x)
{
   const Real positive = x > 0 ? x : x <= 0 ? Real(0) : x;
   return positive + std::log1p(std::exp(-std::fabs(x)));
}

inline double softsign(double x)
{
   return x / (1 + std::fabs(x));
}

// Calls f(tap, input pixel) for every tap of the window at output pixel (od, oh, ow) that lies inside the image.
template <class F>
void each_tap(const Window &w, std::size_t od, std::size_t oh, std::size_t ow, const F &f)
{
   for (std::size_t kd = 0; kd < w.KD; ++kd)
      for (std::size_t kh = 0; kh < w.KH; ++kh)
         for (std::size_t kw = 0; kw < w.KW; ++kw) {
            const long d = long(od * w.SD + kd * w.DD) - long(w.PD);
            const long h = long(oh * w.SH + kh * w.DH) - long(w.PH);
            const long c = long(ow * w.SW + kw * w.DW) - long(w.PW);
            if (d >= 0 && h >= 0 && c >= 0 && d < long(w.D) && h < long(w.H) && c < long(w.W))
               f((kd * w.KH + kh) * w.KW + kw, (std::size_t(d) * w.H + std::size_t(h)) * w.W + std::size_t(c));
         }
}

// The same for output pixel `pixel` of the image, counted row by row.
template <class F>
void each_tap(const Window &w, std::size_t pixel, const F &f)
{
   each_tap(w, pixel / (w.OH * w.OW), pixel / w.OW % w.OH, pixel % w.OW, f);
}

} // namespace reference
} // namespace sofie_jit
#endif
