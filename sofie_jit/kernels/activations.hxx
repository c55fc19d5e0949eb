// Activation functions as function objects over vec<T>: used alone by elementwise.hxx and in the epilogues of gemm,
// conv and friends. NaN goes in, NaN comes out.
#ifndef SOFIE_JIT_ACTIVATIONS_HXX
#define SOFIE_JIT_ACTIVATIONS_HXX

#include "simd.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

struct Identity {
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> x) const
   {
      return x;
   }
};

struct Relu {
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> x) const
   {
      return select<T>(x < 0, vec<T>{}, x);
   }
};

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
