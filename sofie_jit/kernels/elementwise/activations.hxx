// Activation functions as function objects over vec<T>, and `map`, which applies one of them to a tensor or, in gemm,
// conv and other kernels, to a block of results. Parameters are data members of the element type. NaN inputs give NaN,
// except for the functions that Keras writes with a comparison that is false for NaN: Shrink, Threshold, and
// GeneralRelu with a threshold.
//
// Results that are products are fenced by rounded(), so that no compiler fuses them with a later sum.
#ifndef SOFIE_JIT_ACTIVATIONS_HXX
#define SOFIE_JIT_ACTIVATIONS_HXX

#include "core/simd.hxx"
#include "core/vmath.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// y[i] = function(x[i]) for i < n; y may be x.
template <class T, class Function>
void map(std::size_t n, const T *x, T *y, const Function &function)
{
   for (std::size_t i = 0; i < n; i += lanes<T>)
      store_up_to(y + i, function.template apply<T>(load_up_to(x + i, n - i)), n - i);
}

template <class T>
SOFIE_JIT_INLINE vec<T> clip(vec<T> x, T low, T high)
{
   x = select<T>(x < low, broadcast(low), x);
   return select<T>(x > high, broadcast(high), x);
}

struct Identity {
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> x) const
   {
      return x;
   }
};

// ---- piecewise linear

struct Relu {
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> x) const
   {
      return select<T>(x < 0, vec<T>{}, x);
   }
};

template <class P>
struct LeakyRelu { // alpha x for x < 0
   P alpha;
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> x) const
   {
      return select<T>(x < 0, rounded(x * T(alpha)), x);
   }
};

template <class P>
struct Clip {
   P low, high;
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> x) const
   {
      return clip<T>(x, T(low), T(high));
   }
};

// x above the threshold and 0 elsewhere, clipped to [low, high], minus negative_slope * max(threshold - x, 0).
template <class P>
struct GeneralRelu {
   P negative_slope, threshold, low, high;
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> x) const
   {
      const vec<T> y = clip<T>(select<T>(x > T(threshold), x, vec<T>{}), T(low), T(high));
      if (negative_slope == 0)
         return y;
      const vec<T> below = T(threshold) - x;
      return fma<T>(select<T>(below < 0, vec<T>{}, below), broadcast(T(-negative_slope)), y);
   }
};

template <class P>
struct HardSigmoid { // alpha x + beta, clipped to [0, 1]
   P alpha, beta;
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> x) const
   {
      return clip<T>(fma<T>(x, broadcast(T(alpha)), broadcast(T(beta))), T(0), T(1));
   }
};

struct HardSwish {
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> x) const
   {
      return rounded(x * clip<T>(fma<T>(x, broadcast(T(1) / T(6)), broadcast(T(0.5))), T(0), T(1)));
   }
};

template <class P>
struct Shrink { // 0 on [-lambd, lambd]; elsewhere x moved towards 0 by bias
   P lambd, bias;
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> x) const
   {
      const vec<T> below = select<T>(x < -T(lambd), x + T(bias), vec<T>{});
      return select<T>(x > T(lambd), x - T(bias), below);
   }
};

template <class P>
struct Threshold { // x above the threshold, otherwise `value`
   P threshold, value;
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> x) const
   {
      return select<T>(x > T(threshold), x, broadcast(T(value)));
   }
};

struct SparseSigmoid { // (x + 1) / 2, clipped to [0, 1]
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> x) const
   {
      return rounded(T(0.5) * (clip<T>(x, T(-1), T(1)) + T(1)));
   }
};

struct SparsePlus { // 0 up to -1, (x + 1)^2 / 4 up to 1, then x
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> x) const
   {
      const vec<T> z = x + T(1), square = rounded(T(0.25) * (z * z));
      return select<T>(x <= T(-1), vec<T>{}, select<T>(x < T(1), square, x));
   }
};

// ---- algebraic

struct Softsign {
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> x) const
   {
      return x / (vabs<T>(x) + T(1));
   }
};

template <class P>
struct Squareplus { // (x + sqrt(x^2 + b)) / 2
   P b;
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> x) const
   {
      return rounded(T(0.5) * (x + vsqrt<T>(fma<T>(x, x, broadcast(T(b))))));
   }
};

// ---- with exponentials

struct Exp {
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> x) const
   {
      return vexp<T>(x);
   }
};

struct Tanh {
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> x) const
   {
      return vtanh<T>(x);
   }
};

struct TanhShrink {
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> x) const
   {
      return x - vtanh<T>(x);
   }
};

struct Sigmoid {
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> x) const
   {
      return vsigmoid<T>(x);
   }
};

struct LogSigmoid {
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> x) const
   {
      return -vsoftplus<T>(-x);
   }
};

struct Swish {
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> x) const
   {
      return rounded(x * vsigmoid<T>(x));
   }
};

struct Softplus {
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> x) const
   {
      return vsoftplus<T>(x);
   }
};

struct Mish { // x tanh(log(1 + e^x)) = x n / (n + 2), n = e^x (e^x + 2); above 20 (double: 40) that is x
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> x) const
   {
      constexpr T limit = sizeof(T) == 4 ? T(20) : T(40);
      const vec<T> e = vexp<T>(select<T>(x > limit, broadcast(limit), x)), n = rounded(e * (e + T(2)));
      return rounded(x * (n / (n + T(2))));
   }
};

template <class P>
struct Elu { // alpha (e^x - 1) for x < 0
   P alpha;
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> x) const
   {
      return select<T>(x < 0, rounded(vexpm1<T>(x) * T(alpha)), x);
   }
};

struct Selu {
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> x) const
   {
      constexpr T scale = T(1.0507009873554804934), scale_alpha = T(1.7580993408473768599);
      return select<T>(x < 0, rounded(vexpm1<T>(x) * scale_alpha), rounded(x * scale));
   }
};

template <class P>
struct Celu { // alpha (e^(x / alpha) - 1) for x < 0
   P alpha;
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> x) const
   {
      return select<T>(x < 0, rounded(vexpm1<T>(x / T(alpha)) * T(alpha)), x);
   }
};

struct Gelu { // x P(X <= x) for a normally distributed X
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> x) const
   {
      return rounded(x * vnormal<T>(x));
   }
};

struct GeluTanh { // an approximation of Gelu by tanh
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> x) const
   {
      const vec<T> cubic = fma<T>(x * x * x, broadcast(T(0.044715)), x);
      return rounded(T(0.5) * x * (T(1) + vtanh<T>(cubic * T(0.79788456080286535588))));
   }
};

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
