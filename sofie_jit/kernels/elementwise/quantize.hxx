// Conversions between numbers and the integers that stand for them: (q - zero) * scale.
//
// Elements are [outer][rows][inner], and a scale belongs to a row, to a column, or to a block of rows.
#ifndef SOFIE_JIT_QUANTIZE_HXX
#define SOFIE_JIT_QUANTIZE_HXX

#include "core/simd.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// Where the scale of an element is: at outer * outer_stride + row / block * row_stride + column * column_stride, whose
// last factor is 0 or 1.
struct ScaleIndex {
   std::size_t outer, rows, inner;
   std::size_t block, outer_stride, row_stride, column_stride;

   // Calls visit(number of elements, offset of the elements, of the scale) for every row.
   template <class Visit>
   SOFIE_JIT_INLINE void each(const Visit &visit) const
   {
      for (std::size_t o = 0; o < outer; ++o)
         for (std::size_t r = 0; r < rows; ++r)
            visit(inner, (o * rows + r) * inner, o * outer_stride + r / block * row_stride);
   }
};

// x rounded to an integer, halves to even, plus zero, within the limits of Q; NaN gives the smallest one.
template <class Q, class T>
SOFIE_JIT_INLINE Q saturated(T x, std::int32_t zero)
{
   constexpr T shift = T(std::uint64_t(3) << (std::numeric_limits<T>::digits - 2)); // has no bits for fractions
   const T low = T(std::int32_t(std::numeric_limits<Q>::min()) - zero);
   const T high = T(std::int32_t(std::numeric_limits<Q>::max()) - zero);
   const T inside = x > low ? x : low;
   return Q(std::int32_t((inside < high ? inside : high) + shift - shift) + zero);
}

struct DividedByScale {
   template <class T>
   SOFIE_JIT_INLINE T operator()(T x, T scale) const
   {
      return x / scale;
   }
};

struct TimesScale {
   template <class T>
   SOFIE_JIT_INLINE T operator()(T x, T scale) const
   {
      return x * scale;
   }
};

// y = round(x / scale) + zero, or with TimesScale round(x * scale) + zero; `zero` may be null.
template <class X, class T, class Q, class Operation>
void quantize(const ScaleIndex &index, const X *x, const T *scale, const Q *zero, Q *y, const Operation &operation)
{
   index.each([&](std::size_t n, std::size_t at, std::size_t s) {
      if (index.column_stride)
         for (std::size_t i = 0; i < n; ++i)
            y[at + i] = saturated<Q>(operation(T(x[at + i]), scale[s + i]), zero ? std::int32_t(zero[s + i]) : 0);
      else {
         const T by = scale[s];
         const std::int32_t shift = zero ? std::int32_t(zero[s]) : 0;
         for (std::size_t i = 0; i < n; ++i)
            y[at + i] = saturated<Q>(operation(T(x[at + i]), by), shift);
      }
   });
}

// y = (x - zero) * scale; `zero` may be null.
template <class Q, class T>
void dequantize(const ScaleIndex &index, const Q *x, const T *scale, const Q *zero, T *y)
{
   using Wide = std::conditional_t<sizeof(Q) < 4, std::int32_t, std::int64_t>;
   index.each([&](std::size_t n, std::size_t at, std::size_t s) {
      if (index.column_stride)
         for (std::size_t i = 0; i < n; ++i)
            y[at + i] = T(Wide(x[at + i]) - (zero ? Wide(zero[s + i]) : 0)) * scale[s + i];
      else {
         const T by = scale[s];
         const Wide shift = zero ? Wide(zero[s]) : 0;
         for (std::size_t i = 0; i < n; ++i)
            y[at + i] = T(Wide(x[at + i]) - shift) * by;
      }
   });
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
