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

struct Div {
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> a, vec<T> b) const
   {
      return a / b;
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

struct Pow { // libm: may differ in the last bit between C libraries
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T> a, vec<T> b) const
   {
      for (int i = 0; i < lanes<T>; ++i)
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
   const std::size_t n = shape.run(), a_step = shape.moves(0), b_step = shape.moves(1);
   shape.rows([&](std::size_t to, const std::size_t *from) {
      for (std::size_t i = 0; i < n; ++i)
         y[to + i] = operation(a[from[0] + i * a_step], b[from[1] + i * b_step]);
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
   const std::size_t n = shape.run(), c_step = shape.moves(0), a_step = shape.moves(1), b_step = shape.moves(2);
   shape.rows([&](std::size_t to, const std::size_t *from) {
      for (std::size_t i = 0; i < n; ++i)
         y[to + i] = condition[from[0] + i * c_step] ? a[from[1] + i * a_step] : b[from[2] + i * b_step];
   });
}

// From float to integer, rounds towards zero; values that do not fit and NaN become the smallest integer. To bool,
// nonzero is true.
template <class From, class To>
void cast(std::size_t n, const From *x, To *y)
{
   for (std::size_t i = 0; i < n; ++i) {
      if constexpr (std::is_same_v<To, bool>) {
         y[i] = x[i] != From(0);
      } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
         constexpr From low = From(std::numeric_limits<To>::min());
         y[i] = x[i] >= low && x[i] < -low ? To(x[i]) : std::numeric_limits<To>::min();
      } else {
         y[i] = To(x[i]);
      }
   }
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
