// tanh and sigmoid as recurrent cells compute them. A cell evaluates them so often that vmath.hxx's would cost as much
// as its matrix products; here both are one rational function, of less than half the work and, as in Keras, some ulp
// less exact: tanh 0.6 ulp on average and never more than 5.5, sigmoid 1.8e-7 absolutely. In double they are vmath.hxx's.
#ifndef SOFIE_JIT_GATES_HXX
#define SOFIE_JIT_GATES_HXX

#include "activations.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// x P(x^2) / Q(x^2): minimax fit of the relative error on |x| <= 9.02, 2^-24.9; beyond, tanh is 1.
SOFIE_JIT_INLINE vec<float> rational_tanh(vec<float> x)
{
   x = clip<float>(x, -9.02f, 9.02f);
   const vec<float> square = x * x;
   const vec<float> p =
      polynomial<float>(square, 1.0f, 0.133797213f, 0.00349403801f, 2.05835331e-05f, 1.33191405e-08f);
   const vec<float> q = polynomial<float>(square, 1.0f, 0.467130393f, 0.0258710869f, 0.000328309805f, 7.76204899e-07f);
   return rounded(x * p) / q;
}

struct GateTanh {
   GateTanh(const Tanh &) {}
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> x) const
   {
      if constexpr (sizeof(T) == 4)
         return rational_tanh(x);
      else
         return vtanh<T>(x);
   }
};

struct GateSigmoid { // (1 + tanh(x / 2)) / 2
   GateSigmoid(const Sigmoid &) {}
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> x) const
   {
      if constexpr (sizeof(T) == 4)
         return fma<float>(rational_tanh(x * 0.5f), broadcast(0.5f), broadcast(0.5f));
      else
         return vsigmoid<T>(x);
   }
};

// What a cell evaluates for an activation, made from it.
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
