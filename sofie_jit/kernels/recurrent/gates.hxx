// tanh and sigmoid for recurrent cells, which evaluate them so often that those of vmath.hxx, accurate over their whole
// range, would cost as much as the matrix products. Here the error of tanh is at most 2.6 ulp, and that of sigmoid
// 1.1e-7, with few correct digits only for results close to zero. For double they are those of vmath.hxx.
#ifndef SOFIE_JIT_GATES_HXX
#define SOFIE_JIT_GATES_HXX

#include "elementwise/activations.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// x 2^n, for an n that was rounded by adding 1.5 * 2^23: the bits above its low ones are shifted out.
constexpr float gate_round = 0x1.8p23f;
SOFIE_JIT_INLINE vec<float> gate_scaled(vec<float> x, vec<float> shifted)
{
   return shift_exponent(x, to_bits<float>(shifted));
}

// x = n ln(2) / 2 + h, E = (exp(2 x) - 1) / 2, tanh(x) = E / (E + 1); beyond 9.02, tanh is 1.
SOFIE_JIT_INLINE vec<float> gate_tanh(vec<float> x)
{
   x = clip<float>(x, -9.02f, 9.02f);
   const vec<float> shifted = fma<float>(x, broadcast(2.88539008f), broadcast(gate_round));
   const vec<float> h = fma<float>(shifted - gate_round, broadcast(-0.34657359f), x);
   // fit of ((exp(2 h) - 1) / 2 - h) / h^2, relative error of exp(2 h) - 1 2^-26.1
   const vec<float> q = polynomial<float>(h, 0.99999994f, 0.666661859f, 0.333339483f, 0.133860186f, 0.0443861037f);
   const vec<float> p = fma<float>(h * h, q, h);
   const vec<float> scale = gate_scaled(broadcast(1.0f), shifted);
   const vec<float> e = fma<float>(scale, p, fma<float>(scale, broadcast(0.5f), broadcast(-0.5f)));
   return e / (e + 1.0f);
}

// x = -n ln(2) + u, 1 / (1 + exp(-u) 2^n); beyond 87 that is 1, or close to 0.
SOFIE_JIT_INLINE vec<float> gate_sigmoid(vec<float> x)
{
   x = clip<float>(x, -87.0f, 87.0f);
   const vec<float> shifted = fma<float>(x, broadcast(-1.44269504f), broadcast(gate_round));
   const vec<float> u = fma<float>(shifted - gate_round, broadcast(0.693147181f), x);
   // fit of (exp(-u) - 1 + u) / u^2, relative error of exp 2^-23.2, of which at most a quarter reaches the result
   const vec<float> e = polynomial<float>(u, 1.0f, -1.0f, 0.499992311f, -0.166671187f, 0.0418902561f, -0.00831219181f);
   return 1.0f / (1.0f + gate_scaled(e, shifted));
}

struct GateTanh {
   GateTanh(const Tanh &) {}
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> x) const
   {
      if constexpr (sizeof(T) == 4)
         return gate_tanh(x);
      else
         return vtanh<T>(x);
   }
};

struct GateSigmoid {
   GateSigmoid(const Sigmoid &) {}
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> x) const
   {
      if constexpr (sizeof(T) == 4)
         return gate_sigmoid(x);
      else
         return vsigmoid<T>(x);
   }
};

// The function that a cell evaluates for an activation, from which it is constructed.
template <class F>
struct GateFunction {
   using type = F;
};
template <>
struct GateFunction<Tanh> {
   using type = GateTanh;
};
template <>
struct GateFunction<Sigmoid> {
   using type = GateSigmoid;
};
template <class F>
using gate_function = typename GateFunction<F>::type;

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
