// Reductions along one axis: x is [outer][size][inner], y is [outer][inner]. Several axes are reduced one after the
// other.
//
// The order depends on the shape only. Along the last axis (inner = 1): 16 virtual lanes, element i in lane i % 16, in
// blocks of 16 * tuning::kc elements that are folded and combined one after the other. Otherwise each column
// separately: ascending in blocks of tuning::kc elements that are combined one after the other.
#ifndef SOFIE_JIT_REDUCE_HXX
#define SOFIE_JIT_REDUCE_HXX

#include "elementwise/activations.hxx"
#include "core/tile.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// A reduction: its neutral element, the combination with a vector of elements, and the combination of two results.
struct ReduceSum {
   template <class T>
   static constexpr T empty = T(0);
   template <class T>
   static SOFIE_JIT_INLINE vec<T> term(vec<T> x, vec<T> so_far)
   {
      return so_far + x;
   }
   template <class T>
   static SOFIE_JIT_INLINE vec<T> combine(vec<T> a, vec<T> b)
   {
      return a + b;
   }
};

struct ReduceSumSquare : ReduceSum {
   template <class T>
   static SOFIE_JIT_INLINE vec<T> term(vec<T> x, vec<T> so_far)
   {
      return fma<T>(x, x, so_far);
   }
};

struct ReduceProd {
   template <class T>
   static constexpr T empty = T(1);
   template <class T>
   static SOFIE_JIT_INLINE vec<T> term(vec<T> x, vec<T> so_far)
   {
      return so_far * x;
   }
   template <class T>
   static SOFIE_JIT_INLINE vec<T> combine(vec<T> a, vec<T> b)
   {
      return a * b;
   }
};

struct ReduceMax { // NaN if any element is NaN
   template <class T>
   static constexpr T empty = std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity()
                                                                   : std::numeric_limits<T>::lowest();
   template <class T>
   static SOFIE_JIT_INLINE vec<T> term(vec<T> x, vec<T> so_far)
   {
      return max<T>(so_far, x);
   }
   template <class T>
   static SOFIE_JIT_INLINE vec<T> combine(vec<T> a, vec<T> b)
   {
      return max<T>(a, b);
   }
};

struct ReduceMin { // NaN if any element is NaN
   template <class T>
   static constexpr T empty = std::numeric_limits<T>::has_infinity ? std::numeric_limits<T>::infinity()
                                                                   : std::numeric_limits<T>::max();
   template <class T>
   static SOFIE_JIT_INLINE vec<T> term(vec<T> x, vec<T> so_far)
   {
      return min<T>(so_far, x);
   }
   template <class T>
   static SOFIE_JIT_INLINE vec<T> combine(vec<T> a, vec<T> b)
   {
      return min<T>(a, b);
   }
};

// The same for elements of 8 and 16 bits, of which a register has more than the virtual lanes. These are integers, for
// which the order does not matter.
template <class Op, class T>
T reduce_narrow_row(std::size_t n, const T *x)
{
   constexpr T empty = Op::template empty<T>;
   alignas(SOFIE_JIT_VECTOR_BYTES) T lane[lanes<T>];
   vec<T> total = broadcast(empty);
   for (std::size_t i = 0; i < n; i += lanes<T>)
      total = Op::template term<T>(n - i < lanes<T> ? load_n(x + i, n - i, empty) : load(x + i), total);
   store(lane, total);
   for (int i = 1; i < lanes<T>; ++i)
      total = Op::template combine<T>(total, broadcast(lane[i]));
   return total[0];
}

// n elements of a row; `fill` is an element that does not change the result.
template <class Op, class T>
T reduce_row(std::size_t n, const T *x, const Op &op = {}, T fill = Op::template empty<T>)
{
   constexpr std::size_t block = tuning::kc * tuning::virtual_lanes;
   vec<T> total = broadcast(Op::template empty<T>);
   for (std::size_t first = 0; first < n; first += block) {
      const std::size_t end = n - first < block ? n : first + block;
      lanes16<T> part;
      SOFIE_JIT_UNROLL
      for (int j = 0; j < lanes16<T>::count; ++j)
         part.v[j] = broadcast(Op::template empty<T>);
      std::size_t i = first;
      for (; i + tuning::virtual_lanes <= end; i += tuning::virtual_lanes)
         SOFIE_JIT_UNROLL
         for (int j = 0; j < lanes16<T>::count; ++j)
            part.v[j] = op.template term<T>(load(x + i + j * lanes<T>), part.v[j]);
      for (int j = 0; j < lanes16<T>::count && i < end; ++j, i += lanes<T>) {
         const std::size_t left = end - i < lanes<T> ? end - i : lanes<T>;
         part.v[j] = op.template term<T>(load_n(x + i, left, fill), part.v[j]);
      }
      total = Op::template combine<T>(total, fold<Op>(part));
   }
   return total[0];
}

// NV registers of adjacent columns, whose elements are `stride` apart; the last register may have few columns.
template <class Op, int NV, class T>
void reduce_columns(std::size_t size, std::size_t stride, std::size_t count, const T *x, T *y)
{
   vec<T> total[NV], part[NV];
   for (int j = 0; j < NV; ++j)
      total[j] = broadcast(Op::template empty<T>);
   for (std::size_t first = 0; first < size; first += tuning::kc) {
      const std::size_t end = size - first < tuning::kc ? size : first + tuning::kc;
      SOFIE_JIT_UNROLL
      for (int j = 0; j < NV; ++j)
         part[j] = broadcast(Op::template empty<T>);
      for (std::size_t k = first; k < end; ++k)
         SOFIE_JIT_UNROLL
         for (int j = 0; j < NV; ++j)
            part[j] = Op::template term<T>(load_up_to(x + k * stride + j * lanes<T>, count - std::size_t(j) * lanes<T>),
                                           part[j]);
      for (int j = 0; j < NV; ++j)
         total[j] = Op::template combine<T>(total[j], part[j]);
   }
   for (int j = 0; j < NV; ++j)
      store_up_to(y + j * lanes<T>, total[j], count - std::size_t(j) * lanes<T>);
}

template <class Op, class T>
void reduce(std::size_t outer, std::size_t size, std::size_t inner, const T *x, T *y)
{
   constexpr std::size_t wide = 4 * lanes<T>;
   for (std::size_t o = 0; o < outer; ++o, x += size * inner, y += inner) {
      if (inner == 1) {
         if constexpr (sizeof(T) < sizeof(float))
            *y = reduce_narrow_row<Op>(size, x);
         else
            *y = reduce_row<Op>(size, x);
         continue;
      }
      std::size_t i = 0;
      for (; i + wide <= inner; i += wide)
         reduce_columns<Op, 4>(size, inner, wide, x + i, y + i);
      for (; i < inner; i += lanes<T>)
         reduce_columns<Op, 1>(size, inner, inner - i, x + i, y + i);
   }
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
