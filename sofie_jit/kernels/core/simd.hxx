// The vector type in which every kernel is written, and the only place where a product is added to a sum.
//
// vec<T> is one register of T: 64 bytes with AVX-512, 32 with AVX, otherwise 16. All arithmetic on it is plain C++ (the
// vector extensions of clang and g++), so one source serves Cling, clang and g++ on x86-64 and aarch64.
//
// fma(a, b, c) rounds once on every target that has the instruction, regardless of the compiler's contraction setting.
// Kernels write every `c + a * b` with it and never add an unfenced product to a sum: this makes results equal to the
// last bit between compilers and vector widths.
#ifndef SOFIE_JIT_SIMD_HXX
#define SOFIE_JIT_SIMD_HXX

#ifdef __FAST_MATH__
#error "sofie-jit headers require IEEE arithmetic: compile without -ffast-math and -Ofast"
#endif
#if __cplusplus < 201703L
#error "sofie-jit headers need C++17: compile with -std=c++17 or a newer standard"
#endif

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "core/tuning.hxx"

#if !defined(__clang__) && SOFIE_JIT_FMA
#if defined(__aarch64__)
#include <arm_neon.h>
#else
#include <immintrin.h>
#endif
#endif

// Loops over register blocks must be unrolled completely; g++ does so at -O2 and warns about clang's pragma.
#if defined(__clang__)
#define SOFIE_JIT_UNROLL _Pragma("clang loop unroll(full)")
#else
#define SOFIE_JIT_UNROLL _Pragma("GCC unroll 32")
#endif
// For loops that are short or have a large body: unrolling or vectorizing them would only cost compile time.
#if defined(__clang__)
#define SOFIE_JIT_ROLLED _Pragma("clang loop unroll(disable) vectorize(disable)")
#else
#define SOFIE_JIT_ROLLED
#endif
// For small functions and lambdas: the optimizer spends time on deciding to inline them.
#define SOFIE_JIT_INLINED __attribute__((always_inline))
#define SOFIE_JIT_INLINE inline SOFIE_JIT_INLINED
#define SOFIE_JIT_NOINLINE __attribute__((noinline))
// For functions that run once, at construction. COLD: optimized for size, compiles quickly. ONCE: long functions that
// only call others; optimizing them would take longer than running them.
#if defined(__clang__)
#define SOFIE_JIT_COLD __attribute__((noinline, cold, minsize))
#define SOFIE_JIT_ONCE __attribute__((noinline, optnone))
#else
#define SOFIE_JIT_COLD __attribute__((noinline, cold))
#define SOFIE_JIT_ONCE SOFIE_JIT_COLD
#endif
// Functions and lambdas between these two are not optimized: code that only distributes work.
#if defined(__clang__)
#define SOFIE_JIT_UNOPTIMIZED _Pragma("clang optimize off")
#define SOFIE_JIT_OPTIMIZED _Pragma("clang optimize on")
#else
#define SOFIE_JIT_UNOPTIMIZED
#define SOFIE_JIT_OPTIMIZED
#endif

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

template <class T>
struct simd {
   typedef T type __attribute__((vector_size(SOFIE_JIT_VECTOR_BYTES)));
   typedef T unaligned __attribute__((vector_size(SOFIE_JIT_VECTOR_BYTES), aligned(alignof(T)), may_alias));
};
template <class T>
using vec = typename simd<T>::type;

// Elements of T in one register.
template <class T>
constexpr int lanes = SOFIE_JIT_VECTOR_BYTES / int(sizeof(T));

// The signed integer of T's size: the element type of comparisons of vec<T>, whose lanes are 0 or -1.
template <class T>
using int_of = std::conditional_t<
   sizeof(T) == 8, std::int64_t,
   std::conditional_t<sizeof(T) == 4, std::int32_t, std::conditional_t<sizeof(T) == 2, std::int16_t, std::int8_t>>>;

template <class T>
SOFIE_JIT_INLINE vec<T> broadcast(T x)
{
   return x - vec<T>{}; // x - 0 keeps every bit, also of -0 and NaN
}

template <class T>
SOFIE_JIT_INLINE vec<T> load(const T *p)
{
   return *reinterpret_cast<const typename simd<T>::unaligned *>(p);
}

template <class T>
SOFIE_JIT_INLINE void store(T *p, vec<T> x)
{
   *reinterpret_cast<typename simd<T>::unaligned *>(p) = x;
}

// The first n lanes only, all if n >= lanes<T>: memory beyond p[n - 1] is not accessed; other lanes are `fill`.
template <class T>
SOFIE_JIT_INLINE vec<T> load_n(const T *p, std::size_t n, T fill = T(0))
{
   alignas(SOFIE_JIT_VECTOR_BYTES) T tmp[lanes<T>];
   for (int i = 0; i < lanes<T>; ++i)
      tmp[i] = std::size_t(i) < n ? p[i] : fill;
   return load(tmp);
}

template <class T>
SOFIE_JIT_INLINE void store_n(T *p, vec<T> x, std::size_t n)
{
   alignas(SOFIE_JIT_VECTOR_BYTES) T tmp[lanes<T>];
   store(tmp, x);
   for (int i = 0; i < lanes<T>; ++i)
      if (std::size_t(i) < n)
         p[i] = tmp[i];
}

#if SOFIE_JIT_FMA && SOFIE_JIT_VECTOR_BYTES == 64
// A mask with one bit for each of the first n lanes.
template <class T>
SOFIE_JIT_INLINE constexpr unsigned lane_mask(std::size_t n)
{
   return (1u << (n < std::size_t(lanes<T>) ? unsigned(n) : unsigned(lanes<T>))) - 1u;
}
template <>
SOFIE_JIT_INLINE vec<float> load_n<float>(const float *p, std::size_t n, float fill)
{
   return (vec<float>)__builtin_ia32_loadups512_mask(p, broadcast(fill),
                                                     static_cast<unsigned short>(lane_mask<float>(n)));
}
template <>
SOFIE_JIT_INLINE vec<double> load_n<double>(const double *p, std::size_t n, double fill)
{
   return (vec<double>)__builtin_ia32_loadupd512_mask(p, broadcast(fill),
                                                      static_cast<unsigned char>(lane_mask<double>(n)));
}
template <>
SOFIE_JIT_INLINE void store_n<float>(float *p, vec<float> x, std::size_t n)
{
   __builtin_ia32_storeups512_mask(p, x, static_cast<unsigned short>(lane_mask<float>(n)));
}
template <>
SOFIE_JIT_INLINE void store_n<double>(double *p, vec<double> x, std::size_t n)
{
   __builtin_ia32_storeupd512_mask(p, x, static_cast<unsigned char>(lane_mask<double>(n)));
}
#endif

// For loops whose body handles full registers and the remainder, so that the functions called are inlined once.
template <class T>
SOFIE_JIT_INLINE vec<T> load_up_to(const T *p, std::size_t n)
{
   return n >= std::size_t(lanes<T>) ? load(p) : load_n(p, n);
}

template <class T>
SOFIE_JIT_INLINE void store_up_to(T *p, vec<T> x, std::size_t n)
{
   if (n >= std::size_t(lanes<T>))
      store(p, x);
   else
      store_n(p, x, n);
}

// One bit for each lane that is not zero. NaN is not zero.
template <class T>
SOFIE_JIT_INLINE unsigned nonzero_lanes(vec<T> x)
{
   unsigned bits = 0;
   for (int i = 0; i < lanes<T>; ++i)
      bits |= unsigned(!(x[i] == T(0))) << i;
   return bits;
}
#if SOFIE_JIT_FMA && SOFIE_JIT_VECTOR_BYTES == 64
template <>
SOFIE_JIT_INLINE unsigned nonzero_lanes<float>(vec<float> x)
{
   constexpr int unequal = 4, current_rounding = 4; // or unordered
   return __builtin_ia32_cmpps512_mask(x, vec<float>{}, unequal, static_cast<unsigned short>(-1), current_rounding);
}
#elif SOFIE_JIT_FMA && SOFIE_JIT_VECTOR_BYTES == 32
template <>
SOFIE_JIT_INLINE unsigned nonzero_lanes<float>(vec<float> x)
{
   return unsigned(__builtin_ia32_movmskps256((vec<float>)(x != vec<float>{})));
}
#endif

// a * b + c, rounded once (in the namespace `baseline`, for hardware without FMA, twice).
template <class T>
SOFIE_JIT_INLINE vec<T> fma(vec<T> a, vec<T> b, vec<T> c);

#if defined(__clang__)
template <class V>
SOFIE_JIT_INLINE V fma_contract(V a, V b, V c)
{
#pragma clang fp contract(on)
   return a * b + c;
}
template <>
SOFIE_JIT_INLINE vec<float> fma<float>(vec<float> a, vec<float> b, vec<float> c)
{
   return fma_contract(a, b, c);
}
template <>
SOFIE_JIT_INLINE vec<double> fma<double>(vec<double> a, vec<double> b, vec<double> c)
{
   return fma_contract(a, b, c);
}
#else
template <>
SOFIE_JIT_INLINE vec<float> fma<float>(vec<float> a, vec<float> b, vec<float> c)
{
#if SOFIE_JIT_FMA && SOFIE_JIT_VECTOR_BYTES == 64
   return (vec<float>)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif SOFIE_JIT_FMA && SOFIE_JIT_VECTOR_BYTES == 32
   return (vec<float>)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__aarch64__)
   return (vec<float>)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#elif SOFIE_JIT_FMA
   return (vec<float>)_mm_fmadd_ps((__m128)a, (__m128)b, (__m128)c);
#else
   return a * b + c;
#endif
}
template <>
SOFIE_JIT_INLINE vec<double> fma<double>(vec<double> a, vec<double> b, vec<double> c)
{
#if SOFIE_JIT_FMA && SOFIE_JIT_VECTOR_BYTES == 64
   return (vec<double>)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif SOFIE_JIT_FMA && SOFIE_JIT_VECTOR_BYTES == 32
   return (vec<double>)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#elif defined(__aarch64__)
   return (vec<double>)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#elif SOFIE_JIT_FMA
   return (vec<double>)_mm_fmadd_pd((__m128d)a, (__m128d)b, (__m128d)c);
#else
   return a * b + c;
#endif
}
#endif

// The same for scalars; `baseline` rounds twice here too, so that a lane and a scalar never differ.
template <class T>
SOFIE_JIT_INLINE T fma1(T a, T b, T c)
{
#if SOFIE_JIT_FMA
   return sizeof(T) == 4 ? T(__builtin_fmaf(float(a), float(b), float(c)))
                         : T(__builtin_fma(double(a), double(b), double(c)));
#else
   return fma<T>(broadcast(a), broadcast(b), broadcast(c))[0];
#endif
}

// For a product that must be rounded before it is added: the compiler cannot see through the fence.
template <class V>
SOFIE_JIT_INLINE V rounded(V x)
{
#if defined(__aarch64__)
   asm("" : "+w"(x));
#else
   asm("" : "+v"(x));
#endif
   return x;
}

// mask ? a : b for each lane; the mask is the result of a comparison of vec<T>.
template <class T, class M>
SOFIE_JIT_INLINE vec<T> select(M mask, vec<T> a, vec<T> b)
{
   return mask ? a : b;
}

template <class T>
SOFIE_JIT_INLINE vec<T> max(vec<T> a, vec<T> b) // NaN if either is NaN, as numpy.maximum
{
   return select<T>(a > b, a, select<T>(b != b, b, select<T>(a == a, b, a)));
}

template <class T>
SOFIE_JIT_INLINE vec<T> min(vec<T> a, vec<T> b) // NaN if either is NaN, as numpy.minimum
{
   return select<T>(a < b, a, select<T>(b != b, b, select<T>(a == a, b, a)));
}

// Every reduction over a row is split into tuning::virtual_lanes partial sums, whatever the width of a register, so
// that the order of additions is the same everywhere. Element i of the row belongs to lane i % 16; lanes are folded 8,
// 4, 2, 1. Used: the number of leading lanes that are in use.

template <class T, int Used = tuning::virtual_lanes>
struct lanes16 {
   static constexpr int count = Used / lanes<T> > 0 ? Used / lanes<T> : 1;
   vec<T> v[count];
};

// Lane i of the result is lane i ^ Step of x.
template <int Step, class V, std::size_t... I>
SOFIE_JIT_INLINE V xor_lanes(V x, std::index_sequence<I...>)
{
   return __builtin_shufflevector(x, x, int(I ^ std::size_t(Step))...);
}

template <class Op, class T, int Step>
SOFIE_JIT_INLINE vec<T> fold_lanes(vec<T> x)
{
   if constexpr (Step == 0)
      return x;
   else
      return fold_lanes<Op, T, Step / 2>(
         Op::template combine<T>(x, xor_lanes<Step>(x, std::make_index_sequence<std::size_t(lanes<T>)>())));
}

// Combines all used lanes with Op::combine, which takes two vectors; every lane of the result has the same value.
template <class Op, class T, int Used>
SOFIE_JIT_INLINE vec<T> fold(lanes16<T, Used> x)
{
   SOFIE_JIT_UNROLL
   for (int half = lanes16<T, Used>::count / 2; half > 0; half /= 2)
      for (int i = 0; i < half; ++i)
         x.v[i] = Op::template combine<T>(x.v[i], x.v[i + half]);
   return fold_lanes<Op, T, (Used < lanes<T> ? Used : lanes<T>) / 2>(x.v[0]);
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
