// Softmax and its relatives along one axis: x and y are [outer][size][inner], `size` being the axis.
//
// Along the last axis (inner = 1) a row is reduced in 16 virtual lanes, short rows several at once; otherwise vectors
// of `inner` elements are reduced in ascending order. Only in softmax may y be x. Rows with Inf or NaN give the results
// of exp(x - max) / sum: NaN wherever that is NaN.
#ifndef SOFIE_JIT_SOFTMAX_HXX
#define SOFIE_JIT_SOFTMAX_HXX

#include <algorithm>

#include "elementwise/elementwise.hxx"
#include "reduction/reduce.hxx"
#include "movement/transpose.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

constexpr std::size_t softmax_row_group = 4;

// The largest element; NaN is ignored because it makes the sum of the row NaN anyway.
struct ReduceLargest : ReduceMax {
   template <class T>
   static SOFIE_JIT_INLINE vec<T> term(vec<T> x, vec<T> so_far)
   {
      return select<T>(x > so_far, x, so_far);
   }
   template <class T>
   static SOFIE_JIT_INLINE vec<T> combine(vec<T> a, vec<T> b)
   {
      return select<T>(a > b, a, b);
   }
};

// x / sum for 0 <= x <= sum, from inverse = 1 / sum and a correction: a division takes as long as ten products (4,096
// rows of 64: 91 us instead of 127).
template <class T>
SOFIE_JIT_INLINE vec<T> divided(vec<T> x, vec<T> sum, vec<T> inverse)
{
   const vec<T> quotient = rounded(x * inverse);
   return fma<T>(fma<T>(-quotient, sum, x), inverse, quotient);
}

// Up to softmax_row_group rows. Each step is done for all of them before the next, because a step is a long chain.
template <bool Log, class T>
void softmax_rows(std::size_t rows, std::size_t n, const T *x, T *y)
{
   T largest[softmax_row_group], sum[softmax_row_group];
   SOFIE_JIT_ROLLED
   for (std::size_t r = 0; r < rows; ++r)
      largest[r] = reduce_row<ReduceLargest>(n, x + r * n);
   SOFIE_JIT_ROLLED
   for (std::size_t r = 0; r < rows; ++r)
      SOFIE_JIT_ROLLED
      for (std::size_t i = r * n, end = i + n; i < end; i += lanes<T>)
         store_up_to(y + i, vexp_nonpositive<T>(load_up_to(x + i, end - i) - largest[r]), end - i);
   SOFIE_JIT_ROLLED
   for (std::size_t r = 0; r < rows; ++r) {
      sum[r] = reduce_row<ReduceSum>(n, y + r * n);
      if (Log)
         sum[r] = vlog<T>(broadcast(sum[r]))[0];
   }
   SOFIE_JIT_ROLLED
   for (std::size_t r = 0; r < rows; ++r) {
      const vec<T> total = broadcast(sum[r]), inverse = T(1) / total;
      SOFIE_JIT_ROLLED
      for (std::size_t i = r * n, end = i + n; i < end; i += lanes<T>) {
         const vec<T> v = load_up_to((Log ? x : y) + i, end - i);
         store_up_to(y + i, Log ? v - largest[r] - sum[r] : divided<T>(v, total, inverse), end - i);
      }
   }
}

// One row of at most Most elements, half of the virtual lanes or all, which stay in registers: the last step of many
// small networks. (Adding an unused lane does not change a bit.)
template <int Most, class T>
SOFIE_JIT_NOINLINE void softmax_short_row(std::size_t n, const T *x, T *y)
{
   constexpr std::size_t width = lanes<T>, count = (Most + width - 1) / width;
   lanes16<T, Most> v;
   SOFIE_JIT_UNROLL
   for (std::size_t j = 0; j < count; ++j)
      v.v[j] = load_n(x + j * width, n > j * width ? n - j * width : 0, -infinity<T>);
   const vec<T> largest = fold<ReduceLargest>(v);
   SOFIE_JIT_UNROLL
   for (std::size_t j = 0; j < count; ++j)
      v.v[j] = vexp_nonpositive<T>(v.v[j] - largest);
   const vec<T> sum = fold<ReduceSum>(v), inverse = T(1) / sum;
   SOFIE_JIT_UNROLL
   for (std::size_t j = 0; j < count; ++j)
      store_n(y + j * width, divided<T>(v.v[j], sum, inverse), n > j * width ? n - j * width : 0);
}

constexpr std::size_t softmax_registers = 2; // registers of rows processed together, because each step is a chain

// Up to softmax_registers registers of rows of at most tuning::virtual_lanes elements, with a row in each lane; their
// sums have the order of softmax_rows. (1,024 rows of five take 13 us; one by one they take 79.)
template <bool Log, class T>
void softmax_transposed_rows(std::size_t rows, std::size_t n, const T *x, T *y)
{
   constexpr std::size_t M = softmax_registers, width = M * lanes<T>;
   if (n > tuning::virtual_lanes)
      __builtin_unreachable(); // avoids g++'s warning about the memset
   alignas(SOFIE_JIT_VECTOR_BYTES) T turned[tuning::virtual_lanes * width], sums[tuning::virtual_lanes * width];
   if (rows < width)
      std::memset(turned, 0, n * width * sizeof(T));
   swap_axes(n, rows, x, n, turned, width);
   vec<T> largest[M], sum[M], inverse[M];
   SOFIE_JIT_UNROLL
   for (std::size_t j = 0; j < M; ++j)
      largest[j] = load(turned + j * lanes<T>);
   SOFIE_JIT_ROLLED
   for (std::size_t at = width; at < n * width; at += width)
      SOFIE_JIT_UNROLL
      for (std::size_t j = 0; j < M; ++j)
         largest[j] = ReduceLargest::term<T>(load(turned + at + j * lanes<T>), largest[j]);
   SOFIE_JIT_ROLLED
   for (std::size_t at = 0; at < n * width; at += width)
      SOFIE_JIT_UNROLL
      for (std::size_t j = 0; j < M; ++j) {
         const vec<T> v = load(turned + at + j * lanes<T>) - largest[j], e = vexp_nonpositive<T>(v);
         store(turned + at + j * lanes<T>, Log ? v : e);
         store(sums + at + j * lanes<T>, e);
      }
   SOFIE_JIT_ROLLED
   for (std::size_t half = tuning::virtual_lanes / 2, left = n; half > 0; left = left < half ? left : half, half /= 2)
      SOFIE_JIT_ROLLED
      for (std::size_t at = 0; at + half * width < left * width; at += lanes<T>)
         store(sums + at, load(sums + at) + load(sums + at + half * width));
   SOFIE_JIT_UNROLL
   for (std::size_t j = 0; j < M; ++j) {
      sum[j] = load(sums + j * lanes<T>);
      inverse[j] = Log ? vlog<T>(sum[j]) : T(1) / sum[j];
   }
   SOFIE_JIT_ROLLED
   for (std::size_t at = 0; at < n * width; at += width)
      SOFIE_JIT_UNROLL
      for (std::size_t j = 0; j < M; ++j) {
         const vec<T> v = load(turned + at + j * lanes<T>);
         store(turned + at + j * lanes<T>, Log ? v - inverse[j] : divided<T>(v, sum[j], inverse[j]));
      }
   swap_axes(rows, n, turned, width, y, n);
}

// Up to one register of adjacent columns, whose elements are `stride` apart.
template <bool Log, class T>
void softmax_columns(std::size_t size, std::size_t stride, std::size_t count, const T *x, T *y)
{
   vec<T> largest = load_up_to(x, count), sum = {};
   SOFIE_JIT_ROLLED
   for (std::size_t k = 1; k < size; ++k)
      largest = max<T>(load_up_to(x + k * stride, count), largest);
   SOFIE_JIT_ROLLED
   for (std::size_t k = 0; k < size; ++k) {
      const vec<T> e = vexp_nonpositive<T>(load_up_to(x + k * stride, count) - largest);
      sum = sum + e;
      store_up_to(y + k * stride, e, count);
   }
   const vec<T> log_sum = Log ? vlog<T>(sum) : vec<T>{};
   SOFIE_JIT_ROLLED
   for (std::size_t k = 0; k < size; ++k) {
      const T *from = (Log ? x : y) + k * stride;
      const vec<T> v = load_up_to(from, count);
      store_up_to(y + k * stride, Log ? v - largest - log_sum : v / sum, count);
   }
}

template <bool Log, class T>
void softmax_long_rows(std::size_t rows, std::size_t size, const T *x, T *y)
{
   SOFIE_JIT_ROLLED
   for (std::size_t o = 0; o < rows; o += softmax_row_group)
      softmax_rows<Log>(rows - o < softmax_row_group ? rows - o : softmax_row_group, size, x + o * size, y + o * size);
}

template <bool Log, class T>
void softmax_each_row(std::size_t rows, std::size_t size, const T *x, T *y)
{
   if (size <= std::size_t(tuning::virtual_lanes) && rows > 5 && 2 * rows > size) { // few rows are faster below
      SOFIE_JIT_ROLLED
      for (std::size_t o = 0; o < rows; o += softmax_registers * lanes<T>) {
         const std::size_t left = rows - o, most = softmax_registers * lanes<T>, count = left < most ? left : most;
         softmax_transposed_rows<Log>(count, size, x + o * size, y + o * size);
      }
      return;
   }
   if (!Log && size <= std::size_t(tuning::virtual_lanes)) {
      SOFIE_JIT_ROLLED
      for (std::size_t o = 0; o < rows; ++o)
         (2 * size <= tuning::virtual_lanes
             ? softmax_short_row<tuning::virtual_lanes / 2, T>
             : softmax_short_row<tuning::virtual_lanes, T>)(size, x + o * size, y + o * size);
      return;
   }
   softmax_long_rows<Log>(rows, size, x, y);
}

template <bool Log, class T>
void softmax_any(std::size_t outer, std::size_t size, std::size_t inner, const T *x, T *y)
{
   if (size == 0)
      return;
   if (inner == 1)
      return softmax_each_row<Log>(outer, size, x, y);
   SOFIE_JIT_ROLLED
   for (std::size_t o = 0; o < outer; ++o, x += size * inner, y += size * inner)
      SOFIE_JIT_ROLLED
      for (std::size_t i = 0; i < inner; i += lanes<T>)
         softmax_columns<Log>(size, inner, inner - i, x + i, y + i);
}

template <class T>
void softmax(std::size_t outer, std::size_t size, std::size_t inner, const T *x, T *y)
{
   softmax_any<false>(outer, size, inner, x, y);
}

template <class T>
void log_softmax(std::size_t outer, std::size_t size, std::size_t inner, const T *x, T *y)
{
   softmax_any<true>(outer, size, inner, x, y);
}

// softmax with inner = 1: less code to compile.
template <class T>
void softmax_last(std::size_t rows, std::size_t size, const T *x, T *y)
{
   if (size)
      softmax_each_row<false>(rows, size, x, y);
}

// The same for more than tuning::virtual_lanes elements.
template <class T>
void softmax_long(std::size_t rows, std::size_t size, const T *x, T *y)
{
   softmax_long_rows<false>(rows, size, x, y);
}

// A single row of at most Most elements directly; several rows by a function that is compiled separately: softmax_last.
template <int Most, class T>
void softmax_short(std::size_t rows, std::size_t size, const T *x, T *y,
                   void (*several)(std::size_t rows, std::size_t size, const T *x, T *y))
{
   if (rows == 1)
      softmax_short_row<Most>(size, x, y);
   else if (rows)
      several(rows, size, x, y);
}

// max(x - tau, 0) as computed by Keras: with z the elements in descending order and c their cumulative sums, tau is
// (sum of c_k over the support - 1) / (size of the support), the support being the k with z_k > (c_k - 1) / k. (The
// literature's tau has the last of those c_k instead of their sum.) scratch: `size` elements.
template <class T>
void sparsemax(std::size_t outer, std::size_t size, std::size_t inner, const T *x, T *y, T *scratch)
{
   for (std::size_t o = 0; o < outer; ++o)
      for (std::size_t i = 0; i < inner; ++i) {
         const T *in = x + o * size * inner + i;
         T *out = y + o * size * inner + i;
         bool ordered = true;
         for (std::size_t k = 0; k < size; ++k) {
            scratch[k] = in[k * inner];
            ordered = ordered && scratch[k] == scratch[k];
         }
         T tau = std::numeric_limits<T>::quiet_NaN();
         if (ordered) {
            std::sort(scratch, scratch + size, [](T a, T b) { return a > b; });
            T running = 0, support = 0, total = 0;
            for (std::size_t k = 0; k < size; ++k) {
               running += scratch[k];
               if (scratch[k] - (running - 1) / T(k + 1) > 0) {
                  total += running;
                  support += 1;
               }
            }
            tau = (total - 1) / support;
         }
         for (std::size_t k = 0; k < size; ++k) {
            const T d = in[k * inner] - tau;
            out[k * inner] = d < 0 ? 0 : d;
         }
      }
}

// x is [outer][2][half]: the first half times the sigmoid of the second.
template <class T>
void glu(std::size_t outer, std::size_t half, const T *x, T *y)
{
   for (std::size_t o = 0; o < outer; ++o, x += 2 * half, y += half)
      for (std::size_t i = 0; i < half; i += lanes<T>) {
         const vec<T> gate = vsigmoid<T>(load_up_to(x + half + i, half - i));
         store_up_to(y + i, rounded(load_up_to(x + i, half - i) * gate), half - i);
      }
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
