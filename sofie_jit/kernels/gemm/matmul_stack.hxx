// Stacks of matrices, whose leading axes broadcast.
#ifndef SOFIE_JIT_MATMUL_STACK_HXX
#define SOFIE_JIT_MATMUL_STACK_HXX

#include "core/simd.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// The leading axes: their number and sizes, and the stride of each axis in each tensor (0 for axes that are broadcast),
// followed by the strides of the axes of the matrices.
struct MatmulStack {
   static constexpr int max_axes = 8;
   std::size_t rank;
   std::size_t shape[max_axes];
   std::size_t a_stride[max_axes + 2], b_stride[max_axes + 2], y_stride[max_axes + 2];

   // Calls visit(offset in a, in b, in y) for every matrix of y.
   template <class Visit>
   SOFIE_JIT_INLINE void each(const Visit &visit) const
   {
      std::size_t count = 1;
      for (std::size_t axis = 0; axis < rank; ++axis)
         count *= shape[axis];
      for (std::size_t matrix = 0; matrix < count; ++matrix) {
         std::size_t a = 0, b = 0, y = 0;
         for (std::size_t axis = rank, rest = matrix; axis-- > 0; rest /= shape[axis]) {
            const std::size_t index = rest % shape[axis];
            a += index * a_stride[axis];
            b += index * b_stride[axis];
            y += index * y_stride[axis];
         }
         visit(a, b, y);
      }
   }
};

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
