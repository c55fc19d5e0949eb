// Elementwise operations: functions of one tensor, binary operations with numpy's broadcasting, casts, comparisons,
// where.
#ifndef SOFIE_JIT_ELEMENTWISE_HXX
#define SOFIE_JIT_ELEMENTWISE_HXX

#include "elementwise/activations.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

template <class P>
struct DivideBy {
   P divisor;
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> x) const
   {
      return x / T(divisor);
   }
};

// ---- broadcasting

// The shape of a result, and which of its dimensions each of N inputs has; inputs are repeated along the others.
template <int N>
struct Broadcast {
   std::size_t rank; // at least 1
   std::size_t shape[tuning::max_rank];
   bool has[N][tuning::max_rank];

   // Calls visit(offset of the result, offset of each input) for every run along the last dimension.
   template <class Visit>
   void rows(const Visit &visit) const
   {
      std::size_t stride[N][tuning::max_rank] = {}, index[tuning::max_rank] = {}, from[N] = {}, to = 0, total = 1;
      for (std::size_t d = 0; d + 1 < rank; ++d)
         total *= shape[d];
      if (shape[rank - 1] == 0)
         return;
      for (int i = 0; i < N; ++i) {
         std::size_t size = 1;
         for (std::size_t d = rank; d-- > 0;) {
            stride[i][d] = has[i][d] ? size : 0;
            size *= has[i][d] ? shape[d] : 1;
         }
      }
      for (std::size_t row = 0; row < total; ++row, to += shape[rank - 1]) {
         visit(to, from);
         for (std::size_t d = rank - 1; d-- > 0;) { // increments the index like an odometer
            for (int i = 0; i < N; ++i)
               from[i] += stride[i][d];
            if (++index[d] < shape[d])
               break;
            for (int i = 0; i < N; ++i)
               from[i] -= stride[i][d] * shape[d];
            index[d] = 0;
         }
      }
   }
   bool moves(int input) const { return has[input][rank - 1]; }
   std::size_t run() const { return shape[rank - 1]; }
};

// -x modulo 2^bits.
template <class T>
SOFIE_JIT_INLINE constexpr T negated(T x)
{
   return T(std::uint64_t(0) - std::uint64_t(x));
}

// y = operation(a, b); y may be an input that has all dimensions.
template <class T, class Operation>
void binary(const Broadcast<2> &shape, const T *a, const T *b, T *y, const Operation &operation)
{
   const std::size_t n = shape.run();
   const bool a_moves = shape.moves(0), b_moves = shape.moves(1);
   shape.rows([&](std::size_t to, const std::size_t *from) {
      const T *pa = a + from[0], *pb = b + from[1];
      vec<T> va = broadcast(*pa), vb = broadcast(*pb);
      for (std::size_t i = 0; i < n; i += lanes<T>) {
         if (a_moves)
            va = load_up_to(pa + i, n - i);
         if (b_moves)
            vb = load_up_to(pb + i, n - i);
         store_up_to(y + to + i, operation.template apply<T>(va, vb), n - i);
      }
   });
}

struct Add {
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> a, vec<T> b) const
   {
      return a + b;
   }
};

struct Sub {
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> a, vec<T> b) const
   {
      return a - b;
   }
};

struct Mul {
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> a, vec<T> b) const
   {
      return rounded(a * b);
   }
};

// Of integers, a / 0 is 0, and the smallest number / -1 wraps around: processors stop at both.
struct Div {
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> a, vec<T> b) const
   {
      if constexpr (std::is_integral_v<T>) {
         for (int i = 0; i < lanes<T>; ++i)
            a[i] = b[i] == T(0) ? T(0) : b[i] == T(-1) && std::is_signed_v<T> ? T(negated(a[i])) : T(a[i] / b[i]);
         return a;
      } else {
         return a / b;
      }
   }
};

struct Max {
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> a, vec<T> b) const
   {
      return max<T>(a, b);
   }
};

struct Min {
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> a, vec<T> b) const
   {
      return min<T>(a, b);
   }
};

// The integer part of x to the power of n; 0 to a negative power is 0.
template <class T>
SOFIE_JIT_INLINE T integer_power(T x, T n)
{
   using U = std::make_unsigned_t<T>;
   const bool is_one = x == T(1), is_minus_one = std::is_signed_v<T> && x == T(-1);
   if (n < T(0) && !is_one && !is_minus_one)
      return T(0);
   std::uint64_t result = 1, factor = std::uint64_t(x); // modulo 2^64
   for (U left = n < T(0) ? U(n & T(1)) : U(n); left; left = U(left >> 1), factor *= factor)
      if (left & U(1))
         result *= factor;
   return T(result);
}

struct Pow { // libm for floating point: may differ in the last bit between C libraries
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> a, vec<T> b) const
   {
      for (int i = 0; i < lanes<T>; ++i)
         if constexpr (std::is_integral_v<T>)
            a[i] = integer_power<T>(a[i], b[i]);
         else
            a[i] = std::pow(a[i], b[i]);
      return a;
   }
};

struct PRelu { // a, times the slope b for a < 0
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> a, vec<T> b) const
   {
      return select<T>(a < 0, rounded(a * b), a);
   }
};

// ---- between element types

// y = operation(a, b) element by element, for results of another type: comparisons and logic.
template <class T, class Result, class Operation>
void compare(const Broadcast<2> &shape, const T *a, const T *b, Result *y, const Operation &operation)
{
   const std::size_t n = shape.run();
   const bool a_moves = shape.moves(0), b_moves = shape.moves(1);
   shape.rows([&](std::size_t to, const std::size_t *from) { // loops with known steps, which compilers vectorize
      const T *const pa = a + from[0], *const pb = b + from[1], va = *pa, vb = *pb;
      Result *const result = y + to;
      if (a_moves && b_moves)
         for (std::size_t i = 0; i < n; ++i)
            result[i] = operation(pa[i], pb[i]);
      else if (a_moves)
         for (std::size_t i = 0; i < n; ++i)
            result[i] = operation(pa[i], vb);
      else if (b_moves)
         for (std::size_t i = 0; i < n; ++i)
            result[i] = operation(va, pb[i]);
      else
         for (std::size_t i = 0; i < n; ++i)
            result[i] = operation(va, vb);
   });
}

#define SOFIE_JIT_COMPARISON(name, expression)       \
   struct name {                                     \
      template <class T>                             \
      SOFIE_JIT_INLINE bool operator()(T a, T b) const \
      {                                              \
         return expression;                          \
      }                                              \
   };
SOFIE_JIT_COMPARISON(Equal, a == b)
SOFIE_JIT_COMPARISON(NotEqual, a != b)
SOFIE_JIT_COMPARISON(Less, a < b)
SOFIE_JIT_COMPARISON(LessOrEqual, a <= b)
SOFIE_JIT_COMPARISON(Greater, a > b)
SOFIE_JIT_COMPARISON(GreaterOrEqual, a >= b)
SOFIE_JIT_COMPARISON(And, bool(a) && bool(b))
SOFIE_JIT_COMPARISON(Or, bool(a) || bool(b))
SOFIE_JIT_COMPARISON(Xor, bool(a) != bool(b))
#undef SOFIE_JIT_COMPARISON

inline void logical_not(std::size_t n, const bool *x, bool *y)
{
   for (std::size_t i = 0; i < n; ++i)
      y[i] = !x[i];
}

// y = condition ? a : b
template <class T>
void where(const Broadcast<3> &shape, const bool *condition, const T *a, const T *b, T *y)
{
   const std::size_t n = shape.run();
   const bool c_moves = shape.moves(0), a_moves = shape.moves(1), b_moves = shape.moves(2);
   shape.rows([&](std::size_t to, const std::size_t *from) { // loops with known steps, which compilers vectorize
      const bool *const c = condition + from[0];
      const T *const pa = a + from[1], *const pb = b + from[2], va = *pa, vb = *pb;
      T *const result = y + to;
      if (!c_moves) { // one condition for the row, such as the mask of a step
         const T *const chosen = *c ? pa : pb, value = *chosen;
         if (*c ? a_moves : b_moves)
            for (std::size_t i = 0; i < n; ++i)
               result[i] = chosen[i];
         else
            for (std::size_t i = 0; i < n; ++i)
               result[i] = value;
      } else if (a_moves && b_moves)
         for (std::size_t i = 0; i < n; ++i) {
            const T first = pa[i], second = pb[i]; // read both: the loop has no branch
            result[i] = c[i] ? first : second;
         }
      else if (a_moves)
         for (std::size_t i = 0; i < n; ++i) {
            const T first = pa[i];
            result[i] = c[i] ? first : vb;
         }
      else if (b_moves)
         for (std::size_t i = 0; i < n; ++i) {
            const T second = pb[i];
            result[i] = c[i] ? va : second;
         }
      else
         for (std::size_t i = 0; i < n; ++i)
            result[i] = c[i] ? va : vb;
   });
}

// The integer part of x; the smallest integer for NaN and numbers that do not fit.
template <class To, class From>
SOFIE_JIT_INLINE To whole(From x)
{
   constexpr From low = From(std::numeric_limits<To>::min());
   return x >= low && x < -low ? To(x) : std::numeric_limits<To>::min();
}

// From float to integer, rounds towards zero: to 32 bits, or 64 for wide types, and then modulo 2^bits. To bool,
// nonzero is true.
template <class To, class From>
SOFIE_JIT_INLINE To converted(From x)
{
   if constexpr (std::is_same_v<To, bool>) {
      return x != From(0);
   } else if constexpr (std::is_floating_point_v<From> && std::is_same_v<To, std::uint64_t>) {
      constexpr From half = From(9223372036854775808.0); // int64 lacks the highest bit
      return x >= half ? To(whole<std::int64_t>(x - half)) ^ (To(1) << 63) : To(whole<std::int64_t>(x));
   } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
      constexpr bool is_wide = sizeof(To) == 8 || std::is_same_v<To, std::uint32_t>;
      return To(whole<std::conditional_t<is_wide, std::int64_t, std::int32_t>>(x));
   } else {
      return To(x);
   }
}

template <class From, class To>
void cast(std::size_t n, const From *x, To *y)
{
   for (std::size_t i = 0; i < n; ++i)
      y[i] = converted<To>(x[i]);
}

// ---- floating-point numbers of fewer bits

// A type of floating-point numbers that float contains.
struct NarrowType {
   double smallest; // positive number with all significant bits
   double shift;    // adding and subtracting it, times the power of two in x, rounds x to the significant bits
   double overflow; // the smallest number that is rounded to infinity
};
constexpr NarrowType float16{0x1p-14, 0x1.8p42, 65520};
constexpr NarrowType bfloat16{0x1p-126, 0x1.8p45, 0x1.ffp127};

// x rounded to the nearest number of the type, halves to even.
SOFIE_JIT_INLINE double round_to(const NarrowType &type, double x)
{
   std::uint64_t bits;
   std::memcpy(&bits, &x, sizeof bits);
   bits &= std::uint64_t(0x7ff) << 52;
   double power;
   std::memcpy(&power, &bits, sizeof power);
   const double shift = type.shift * (power < type.smallest ? type.smallest : power);
   const double result = std::fabs(x) >= type.overflow ? std::numeric_limits<double>::infinity() : x + shift - shift;
   return std::copysign(result, x);
}

template <class T>
void round_to(std::size_t n, const NarrowType &type, const T *x, T *y)
{
   for (std::size_t i = 0; i < n; ++i)
      y[i] = T(round_to(type, double(x[i])));
}

// To and from the bits of a float16.
template <class From>
void to_float16(std::size_t n, const From *x, std::uint16_t *y)
{
   for (std::size_t i = 0; i < n; ++i) {
      const float value = float(round_to(float16, double(x[i])));
      std::uint32_t bits;
      std::memcpy(&bits, &value, sizeof bits);
      const std::uint32_t sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
      const std::uint32_t subnormal = std::uint32_t(std::fabs(value) < 1 ? std::fabs(value) * 0x1p24f : 0);
      const std::uint32_t special = magnitude > 0x7f800000u ? 0x7e00u : 0x7c00u;
      y[i] = std::uint16_t(sign | (magnitude >= 0x7f800000u   ? special
                                   : magnitude < 0x38800000u ? subnormal
                                                             : (magnitude - 0x38000000u) >> 13));
   }
}

template <class To>
void from_float16(std::size_t n, const std::uint16_t *x, To *y)
{
   for (std::size_t i = 0; i < n; ++i) {
      const std::uint32_t sign = std::uint32_t(x[i] & 0x8000u) << 16, magnitude = x[i] & 0x7fffu;
      const std::uint32_t bits = (magnitude << 13) + (magnitude >= 0x7c00u ? 0x70000000u : 0x38000000u);
      float normal;
      std::memcpy(&normal, &bits, sizeof normal);
      const float value = magnitude < 0x0400u ? float(magnitude) * 0x1p-24f : normal;
      y[i] = converted<To>(sign ? -value : value);
   }
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
