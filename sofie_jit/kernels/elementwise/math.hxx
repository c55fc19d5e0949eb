// Scalar functions other than activations: powers, rounding, logarithms, trigonometry; and functions along an axis.
//
// Sqrt, Log, Log1p, Erf and exact functions give the same bits everywhere; the others use libm, lane by lane, and may
// differ in the last bit between C libraries.
#ifndef SOFIE_JIT_MATH_HXX
#define SOFIE_JIT_MATH_HXX

#include <numeric>

#include "elementwise/elementwise.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// The inverse of std::erf by Newton's method.
inline double erf_inverse(double y)
{
   const double a = std::fabs(y);
   if (!(a < 1))
      return a == 1 ? y * std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
   double x = a * 0.886226925452758; // sqrt(pi) / 2
   if (a >= 0.5) {                   // Winitzki's approximation, accurate to 2e-3
      const double rest = std::log1p(-a * a), half = 4.330746750799873 + rest / 2;
      x = std::sqrt(std::sqrt(half * half - rest / 0.147) - half);
   }
   for (int i = 0; i < 4; ++i) {
      const double error = a < 0.5 ? std::erf(x) - a : (1 - a) - std::erfc(x); // each keeps its digits in its range
      x -= error * 0.886226925452758 * std::exp(x * x);
   }
   return std::copysign(x, y);
}

// The modified Bessel function of the first kind of order 0 by its power series, whose terms are all positive.
inline double bessel_i0(double x)
{
   double term = 1, sum = 1;
   for (int k = 1; term > 1e-17 * sum && k < 2000; ++k) {
      term *= x * x / (4.0 * k * k);
      sum += term;
   }
   return sum;
}

// Defines a function object for map() by an expression of the vector `x`.
#define SOFIE_JIT_OF_VECTOR(name, expression)   \
   struct name {                                \
      template <class T>                        \
      SOFIE_JIT_INLINE vec<T> apply(vec<T> x) const \
      {                                         \
         return expression;                     \
      }                                         \
   };
// The same by an expression of one element `v`.
#define SOFIE_JIT_OF_NUMBER(name, expression) \
   SOFIE_JIT_OF_VECTOR(name, lane_by_lane<T>(x, [](T v) { return T(expression); }))

SOFIE_JIT_OF_VECTOR(Neg, -x)
SOFIE_JIT_OF_VECTOR(Square, rounded(x * x))
SOFIE_JIT_OF_VECTOR(Reciprocal, T(1) / x)
SOFIE_JIT_OF_VECTOR(Sqrt, vsqrt<T>(x))
SOFIE_JIT_OF_VECTOR(Rsqrt, T(1) / vsqrt<T>(x))
SOFIE_JIT_OF_VECTOR(Log, vlog<T>(x))
SOFIE_JIT_OF_VECTOR(Log1p, vlog1p<T>(x))
SOFIE_JIT_OF_VECTOR(Expm1, vexpm1<T>(x))
SOFIE_JIT_OF_VECTOR(Erf, verf<T>(x))
SOFIE_JIT_OF_NUMBER(Abs, v < 0 || v == 0 ? T(0) - v : v)
SOFIE_JIT_OF_NUMBER(Sign, v > 0 ? T(1) : v < 0 ? T(-1) : v)
SOFIE_JIT_OF_NUMBER(Floor, std::floor(v))
SOFIE_JIT_OF_NUMBER(Ceil, std::ceil(v))
SOFIE_JIT_OF_NUMBER(Round, std::nearbyint(v)) // halves to even
SOFIE_JIT_OF_NUMBER(Trunc, std::trunc(v))
SOFIE_JIT_OF_NUMBER(Erfc, std::erfc(v))
SOFIE_JIT_OF_NUMBER(Log2, std::log2(v))
SOFIE_JIT_OF_NUMBER(Log10, std::log10(v))
SOFIE_JIT_OF_NUMBER(Exp2, std::exp2(v))
SOFIE_JIT_OF_NUMBER(Cbrt, std::cbrt(v))
SOFIE_JIT_OF_NUMBER(Sin, std::sin(v))
SOFIE_JIT_OF_NUMBER(Cos, std::cos(v))
SOFIE_JIT_OF_NUMBER(Tan, std::tan(v))
SOFIE_JIT_OF_NUMBER(Asin, std::asin(v))
SOFIE_JIT_OF_NUMBER(Acos, std::acos(v))
SOFIE_JIT_OF_NUMBER(Atan, std::atan(v))
SOFIE_JIT_OF_NUMBER(Sinh, std::sinh(v))
SOFIE_JIT_OF_NUMBER(Cosh, std::cosh(v))
SOFIE_JIT_OF_NUMBER(Asinh, std::asinh(v))
SOFIE_JIT_OF_NUMBER(Acosh, std::acosh(v))
SOFIE_JIT_OF_NUMBER(Atanh, std::atanh(v))
SOFIE_JIT_OF_NUMBER(Erfinv, erf_inverse(double(v)))
SOFIE_JIT_OF_NUMBER(BesselI0, bessel_i0(double(v)))
SOFIE_JIT_OF_NUMBER(BitwiseNot, ~v)
#undef SOFIE_JIT_OF_NUMBER
#undef SOFIE_JIT_OF_VECTOR

// Whether q is a number of bits by which a T can be shifted.
template <class T>
SOFIE_JIT_INLINE bool is_shift(T q)
{
   return std::make_unsigned_t<T>(q) < 8 * sizeof(T);
}

// Defines a function object for binary() by an expression of two elements `p` and `q`.
#define SOFIE_JIT_OF_NUMBERS(name, expression)            \
   struct name {                                          \
      template <class T>                                  \
      SOFIE_JIT_INLINE vec<T> apply(vec<T> a, vec<T> b) const \
      {                                                   \
         for (int i = 0; i < lanes<T>; ++i) {             \
            const T p = a[i], q = b[i];                   \
            a[i] = expression;                            \
         }                                                \
         return a;                                        \
      }                                                   \
   };
SOFIE_JIT_OF_NUMBERS(Atan2, std::atan2(p, q))
SOFIE_JIT_OF_NUMBERS(NextAfter, std::nextafter(p, q))
SOFIE_JIT_OF_NUMBERS(Gcd, T(std::gcd(p, q)))
SOFIE_JIT_OF_NUMBERS(Lcm, T(std::lcm(p, q)))
SOFIE_JIT_OF_NUMBERS(BitwiseAnd, T(p & q))
SOFIE_JIT_OF_NUMBERS(BitwiseOr, T(p | q))
SOFIE_JIT_OF_NUMBERS(BitwiseXor, T(p ^ q))
SOFIE_JIT_OF_NUMBERS(BitShiftLeft, is_shift(q) ? T(std::uint64_t(p) << q) : T(0))
SOFIE_JIT_OF_NUMBERS(BitShiftRight, is_shift(q) ? T(p >> q) : p < T(0) ? T(-1) : T(0))
#undef SOFIE_JIT_OF_NUMBERS

// The remainder of p / q with the sign of q. A float remainder by 0 is NaN; an integer one, which is undefined, is 0.
template <class T>
SOFIE_JIT_INLINE T modulo(T p, T q)
{
   if constexpr (std::is_floating_point_v<T>) {
      const T rest = std::fmod(p, q);
      return rest != 0 && (rest < 0) != (q < 0) ? rest + q : rest;
   } else {
      if (q == 0 || (std::is_signed_v<T> && q == T(-1)))
         return 0;
      const T rest = p % q;
      return rest != 0 && (rest < 0) != (q < 0) ? T(rest + q) : rest;
   }
}

struct Mod {
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> a, vec<T> b) const
   {
      for (int i = 0; i < lanes<T>; ++i)
         a[i] = modulo<T>(a[i], b[i]);
      return a;
   }
};

// ---- along an axis: x is [outer][size][inner]

// y[outer][inner]: the index of the largest element (the smallest, if `smallest`), the first of several; NaN counts as
// such.
template <class T>
void arg_max(std::size_t outer, std::size_t size, std::size_t inner, bool smallest, const T *x, std::int32_t *y)
{
   for (std::size_t o = 0; o < outer; ++o, x += size * inner)
      for (std::size_t i = 0; i < inner; ++i) {
         std::size_t best = 0;
         for (std::size_t k = 1; k < size; ++k) {
            const T value = x[k * inner + i], so_far = x[best * inner + i];
            const bool better = smallest ? value < so_far : value > so_far;
            if (so_far == so_far && (better || value != value))
               best = k;
         }
         *y++ = std::int32_t(best);
      }
}

// y[outer][size][inner]: cumulative sums of x.
template <class T>
void cum_sum(std::size_t outer, std::size_t size, std::size_t inner, const T *x, T *y)
{
   for (std::size_t o = 0; o < outer; ++o, x += size * inner, y += size * inner) {
      for (std::size_t i = 0; i < inner; ++i)
         y[i] = x[i];
      for (std::size_t i = inner; i < size * inner; ++i)
         y[i] = y[i - inner] + x[i];
   }
}

// y[outer][size][inner]: cumulative products of x.
template <class T>
void cum_prod(std::size_t outer, std::size_t size, std::size_t inner, const T *x, T *y)
{
   for (std::size_t o = 0; o < outer; ++o, x += size * inner, y += size * inner) {
      for (std::size_t i = 0; i < inner; ++i)
         y[i] = x[i];
      for (std::size_t i = inner; i < size * inner; ++i)
         y[i] = y[i - inner] * x[i];
   }
}

// Cumulative sums or products from the end of the axis (`reverse`), or without the element itself (`exclusive`).
template <class T>
void cumulate(std::size_t outer, std::size_t size, std::size_t inner, bool product, bool exclusive, bool reverse,
              const T *x, T *y)
{
   for (std::size_t o = 0; o < outer; ++o, x += size * inner, y += size * inner)
      for (std::size_t i = 0; i < inner; ++i) {
         T so_far = T(product);
         for (std::size_t k = 0; k < size; ++k) {
            const std::size_t at = (reverse ? size - 1 - k : k) * inner + i;
            const T next = product ? T(so_far * x[at]) : T(so_far + x[at]);
            y[at] = exclusive ? so_far : next;
            so_far = next;
         }
      }
}

// y[outer][count][inner] = x[outer][index[outer][count][inner]][inner]; negative indices count from the end. Returns
// false if an index is out of range.
template <class T, class Index>
bool gather_elements(std::size_t outer, std::size_t size, std::size_t count, std::size_t inner, const T *x,
                     const Index *index, T *y)
{
   for (std::size_t o = 0; o < outer; ++o, x += size * inner)
      for (std::size_t p = 0; p < count; ++p)
         for (std::size_t i = 0; i < inner; ++i) {
            const std::int64_t given = std::int64_t(*index++);
            const std::int64_t at = given < 0 ? given + std::int64_t(size) : given;
            if (at < 0 || at >= std::int64_t(size))
               return false;
            *y++ = x[std::size_t(at) * inner + i];
         }
   return true;
}

// y[i]: the number of ascending elements before x[i], including equal ones if `right`. NaN comes after all of them if
// `right`, otherwise before.
template <class T>
void search_sorted(std::size_t n, std::size_t size, bool right, const T *x, const T *ascending, std::int32_t *y)
{
   for (std::size_t i = 0; i < n; ++i) {
      std::size_t low = 0, high = size;
      while (low < high) {
         const std::size_t middle = low + (high - low) / 2;
         if (right ? !(x[i] < ascending[middle]) : ascending[middle] < x[i])
            low = middle + 1;
         else
            high = middle;
      }
      y[i] = std::int32_t(low);
   }
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
