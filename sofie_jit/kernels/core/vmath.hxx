// Elementary functions on vec<T>: vexp, vexpm1, vlog, vlog1p, vtanh, vsigmoid, verf, vnormal, vsoftplus.
//
// float: branch-free polynomials in which every product is added with fma(), so that the bits are the same for every
// compiler and instruction set. The largest errors over all 2^32 inputs, including denormals, in ulp
// (tests/kernels/cpp/vmath.cc): exp 0.90, expm1 1.44, log 0.81, log1p 1.39, tanh 1.45, erf 1.11, softplus 1.79, sigmoid
// 2.41. double: libm, lane by lane.
//
// The polynomials are minimax fits of the relative error, computed with 30 digits by Lawson's iteration (weighted least
// squares, weights times error); the coefficients are rounded to float one after the other, lowest power first, and the
// remaining ones fitted again. The interval and the fitted function are given with each polynomial.
#ifndef SOFIE_JIT_VMATH_HXX
#define SOFIE_JIT_VMATH_HXX

#include "core/simd.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

template <class T>
using int_vec = vec<int_of<T>>;

template <class T>
SOFIE_JIT_INLINE vec<T> from_bits(int_vec<T> bits)
{
   return (vec<T>)bits;
}

template <class T>
SOFIE_JIT_INLINE int_vec<T> to_bits(vec<T> x)
{
   return (int_vec<T>)x;
}

template <class T>
constexpr int_of<T> sign_bit = std::numeric_limits<int_of<T>>::min();

template <class T>
SOFIE_JIT_INLINE vec<T> vabs(vec<T> x)
{
   return from_bits<T>(to_bits<T>(x) & ~sign_bit<T>);
}

// The magnitude of x (which must not be negative) with the sign of s.
template <class T>
SOFIE_JIT_INLINE vec<T> with_sign(vec<T> x, vec<T> s)
{
   return from_bits<T>(to_bits<T>(x) | (to_bits<T>(s) & sign_bit<T>));
}

// Applies a libm function of T, or any other scalar function, lane by lane.
template <class T, class Function>
SOFIE_JIT_INLINE vec<T> lane_by_lane(vec<T> x, Function function)
{
   for (int i = 0; i < lanes<T>; ++i)
      x[i] = function(x[i]);
   return x;
}

template <class T>
SOFIE_JIT_INLINE vec<T> vsqrt(vec<T> x)
{
   return lane_by_lane<T>(x, [](T v) { return std::sqrt(v); });
}

// c0 + c1 x + c2 x^2 + ...
template <class T>
SOFIE_JIT_INLINE vec<T> polynomial(vec<T>, T c)
{
   return broadcast(c);
}
template <class T, class... Rest>
SOFIE_JIT_INLINE vec<T> polynomial(vec<T> x, T c, Rest... rest)
{
   return fma<T>(polynomial<T>(x, rest...), x, broadcast(c));
}

template <class T>
SOFIE_JIT_INLINE vec<T> vexp(vec<T> x);
template <class T>
SOFIE_JIT_INLINE vec<T> vexp_nonpositive(vec<T> x); // exp(x), for x <= 0 or NaN
template <class T>
SOFIE_JIT_INLINE vec<T> vexpm1(vec<T> x);
template <class T>
SOFIE_JIT_INLINE vec<T> vlog(vec<T> x);
template <class T>
SOFIE_JIT_INLINE vec<T> vlog1p(vec<T> x);
template <class T>
SOFIE_JIT_INLINE vec<T> vtanh(vec<T> x);
template <class T>
SOFIE_JIT_INLINE vec<T> verf(vec<T> x);
template <class T>
SOFIE_JIT_INLINE vec<T> vnormal(vec<T> x); // P(X <= x) for a normally distributed X; 1 for NaN

// ---- float

constexpr float ln2_high = 0x1.62e4p-1f, ln2_low = 1.42860677e-6f; // n * ln2_high is exact for |n| < 256

constexpr float integer_shift = 0x1.8p23f; // adding it rounds to an integer, which is then in the low bits of the sum

// x = n ln 2 + r with |r| <= ln(2) / 2, for |x| < 2^20.
struct ExpSplit {
   vec<float> r, whole; // n as a float
   int_vec<float> n;
};
SOFIE_JIT_INLINE ExpSplit split_exp(vec<float> x)
{
   const vec<float> shifted = fma<float>(x, broadcast(1.44269504f), broadcast(integer_shift));
   const vec<float> n = shifted - integer_shift;
   const vec<float> r = fma<float>(n, broadcast(-ln2_high), x);
   return {fma<float>(n, broadcast(-ln2_low), r), n,
           to_bits<float>(shifted) - to_bits<float>(broadcast(integer_shift))};
}

// x 2^n, if that is a normal number. Wraps around for results of NaN or infinity, which callers discard.
SOFIE_JIT_INLINE vec<float> shift_exponent(vec<float> x, int_vec<float> n)
{
   typedef std::uint32_t unsigned_vec __attribute__((vector_size(sizeof(vec<float>))));
   return from_bits<float>((int_vec<float>)((unsigned_vec)to_bits<float>(x) + ((unsigned_vec)n << 23)));
}

SOFIE_JIT_INLINE vec<float> power_of_two(int_vec<float> n) // -127 < n < 128; n = -127 gives 0
{
   return shift_exponent(broadcast(1.0f), n);
}

// x 2^n for n from -150 to 128, rounded once.
SOFIE_JIT_INLINE vec<float> scaled(vec<float> x, const ExpSplit &s)
{
#if SOFIE_JIT_FMA && SOFIE_JIT_VECTOR_BYTES == 64
   constexpr int current_rounding = 4;
   return (vec<float>)__builtin_ia32_scalefps512_mask(x, s.whole, x, static_cast<unsigned short>(-1), current_rounding);
#else
   const int_vec<float> half = s.n >> 1;
   return rounded(x * power_of_two(half) * power_of_two(s.n - half));
#endif
}

// exp(r) on |r| <= ln(2) / 2: fit of (exp(r) - 1 - r) / r^2, relative error of exp 2^-28.3.
SOFIE_JIT_INLINE vec<float> exp_reduced(vec<float> r)
{
   return polynomial<float>(r, 1.0f, 1.0f, 0.49999994f, 0.16666521f, 0.041668255f, 0.008368663f, 0.001382147f);
}

// exp(x) for -87 < x <= 0: n goes straight into the exponent. Unspecified for NaN.
SOFIE_JIT_INLINE vec<float> exp_negative(vec<float> x)
{
   const ExpSplit s = split_exp(x);
   return scaled(exp_reduced(s.r), s);
}

template <>
SOFIE_JIT_INLINE vec<float> vexp_nonpositive<float>(vec<float> x)
{
   const vec<float> least = broadcast(-104.0f); // below: 0
   const ExpSplit s = split_exp(select<float>(x < least, least, x)); // comparisons with NaN are false, so it stays
   return scaled(exp_reduced(s.r), s);
}

template <>
SOFIE_JIT_INLINE vec<float> vexp<float>(vec<float> x)
{
   return vexp_nonpositive<float>(select<float>(x > 89.0f, broadcast(89.0f), x)); // above: Inf
}

template <>
SOFIE_JIT_INLINE vec<float> vexpm1<float>(vec<float> x)
{
   vec<float> c = select<float>(x > 89.0f, broadcast(89.0f), x);
   c = select<float>(c < -18.0f, broadcast(-18.0f), c);
   const ExpSplit s = split_exp(c);
   // p = exp(r) - 1: fit of (exp(r) - 1 - r) / r^2, relative error of p 2^-31.1
   const vec<float> q =
      polynomial<float>(s.r, 0.5f, 0.16666666f, 0.041666493f, 0.008333547f, 0.001393232f, 0.00019760783f);
   const vec<float> p = fma<float>(s.r * s.r, q, s.r);
   const vec<float> h = power_of_two(s.n - 1); // (2^n p + 2^n - 1) / 2, so that n = 128 does not overflow
   const vec<float> y = fma<float>(h, p, h - 0.5f);
   const vec<float> result = select<float>(s.n == 0, p, y + y);
   return select<float>(x == 0.0f, x, result); // -0 stays -0
}

// log(2^e (1 + r)) for 1 + r in [sqrt(1/2), sqrt(2)): fit of (log(1 + r) - r + r^2 / 2) / r^3, relative error of log
// 2^-30.3.
SOFIE_JIT_INLINE vec<float> log_reduced(int_vec<float> e, vec<float> r)
{
   const vec<float> k = __builtin_convertvector(e, vec<float>), square = r * r;
   const vec<float> p = polynomial<float>(r, 0.33333313f, -0.2500001f, 0.20002072f, -0.16667989f, 0.14220358f,
                                          -0.12406234f, 0.11883549f, -0.11670098f, 0.06749268f);
   vec<float> y = fma<float>(p, r * square, rounded(k * ln2_low));
   y = fma<float>(square, broadcast(-0.5f), y);
   return fma<float>(k, broadcast(ln2_high), r + y);
}

SOFIE_JIT_INLINE int_vec<float> log_exponent(vec<float> x) // e with x / 2^e in [sqrt(1/2), sqrt(2))
{
   return (to_bits<float>(x) - 0x3f3504f3) >> 23;
}

template <>
SOFIE_JIT_INLINE vec<float> vlog<float>(vec<float> x)
{
   constexpr float infinity = std::numeric_limits<float>::infinity();
   const auto tiny = x < 0x1p-126f;
   const vec<float> normal = select<float>(tiny, x * 0x1p23f, x);
   const int_vec<float> e = log_exponent(normal);
   const vec<float> m = shift_exponent(normal, -e);
   const vec<float> y = log_reduced(e + (tiny & -23), m - 1.0f);
   const vec<float> outside = // the domain of positive numbers: 0, negative numbers, and Inf and NaN, which stay
      select<float>(x == 0.0f, broadcast(-infinity),
                    select<float>(x < 0.0f, broadcast(std::numeric_limits<float>::quiet_NaN()), x));
   return select<float>((x > 0.0f) & (x < infinity), y, outside);
}

template <>
SOFIE_JIT_INLINE vec<float> vlog1p<float>(vec<float> x)
{
   constexpr float infinity = std::numeric_limits<float>::infinity();
   const vec<float> u = 1.0f + x, lost = x - (u - 1.0f); // exact, or negligible
   const int_vec<float> e = log_exponent(u);
   const vec<float> m = shift_exponent(u, -e);
   const vec<float> scale = power_of_two(-(e > 126 ? 126 : e)); // where e is limited, nothing is lost
   const vec<float> y = log_reduced(e, fma<float>(lost, scale, m - 1.0f));
   const vec<float> outside = // the domain ]-1, Inf[: -1, below -1, and Inf, NaN and zeros, which stay
      select<float>(x == -1.0f, broadcast(-infinity),
                    select<float>(x < -1.0f, broadcast(std::numeric_limits<float>::quiet_NaN()), x));
   return select<float>((x > -1.0f) & (x < infinity) & (x != 0.0f), y, outside);
}

// 1 - 2 z / (1 + z) with z = exp(-2 |x|); beyond |x| = 9.02 that is 1.
template <>
SOFIE_JIT_INLINE vec<float> vtanh<float>(vec<float> x)
{
   const vec<float> a = vabs<float>(x), square = x * x;
   // (tanh(x) / x - 1) / x^2 as a polynomial of x^2 on |x| <= 0.6, relative error of tanh 2^-28.4
   const vec<float> small = fma<float>(
      a * square, polynomial<float>(square, -0.333333f, 0.13331936f, -0.053784717f, 0.020798625f, -0.0058979667f), a);
   const vec<float> z = exp_negative(-2.0f * select<float>(a > 9.02f, broadcast(9.02f), a));
   const vec<float> large = 1.0f - (z + z) / (1.0f + z);
   return with_sign<float>(select<float>(a >= 0.6f, large, small), x);
}

template <>
SOFIE_JIT_INLINE vec<float> verf<float>(vec<float> x)
{
   const vec<float> a = vabs<float>(x), square = x * x;
   // erf(x) / x - 1 as a polynomial of x^2 on |x| <= 0.95, relative error of erf 2^-30
   const vec<float> small =
      fma<float>(x,
                 polynomial<float>(square, 0.12837917f, -0.3761263f, 0.11283626f, -0.02685574f, 0.0051924605f,
                                   -0.0008050804f, 8.002775e-05f),
                 x);
   // log(1 - erf(x)) on 0.9 <= x <= 4, relative error of erf 2^-29; beyond, erf is 1
   const vec<float> c = select<float>(a > 4.0f, broadcast(4.0f), a);
   const vec<float> large =
      1.0f - exp_negative(polynomial<float>(c, -0.00017749611f, -1.1277496f, -0.63705975f, -0.10403736f, 0.022277078f,
                                            -0.0030556007f, 0.00019718033f));
   return select<float>(a >= 0.93f, with_sign<float>(large, x), small);
}

// 2^(a b + c) for sums from -126 to 0; unspecified for NaN. The fractional part of the sum is computed from c - n, n
// being the integer, which loses next to nothing: it is rounded as a number of at most 1/2.
SOFIE_JIT_INLINE vec<float> exp2_negative(vec<float> a, vec<float> b, vec<float> c)
{
   const vec<float> shifted = fma<float>(a, b, c) + integer_shift, n = shifted - integer_shift;
   const vec<float> r = fma<float>(a, b, c - n);
   // 2^r on |r| <= 1/2, relative error 2^-28.3
   const vec<float> power = polynomial<float>(r, 1.0f, 0.693147182f, 0.240226477f, 0.0555035956f, 0.00961849932f,
                                              0.00133909704f, 0.000153292785f);
   return scaled(power, {r, n, to_bits<float>(shifted) - to_bits<float>(broadcast(integer_shift))});
}

template <>
SOFIE_JIT_INLINE vec<float> vnormal<float>(vec<float> x)
{
   // log2 P(X <= -a) on 0 <= a <= 5.6, beyond which P is negligible; error of P relative 2^-28.4 or absolute 2^-34.9.
   // Even and odd powers are evaluated separately: twice as many operations can overlap.
   const vec<float> a = vabs<float>(x), square = x * x;
   const vec<float> even = polynomial<float>(square, -1.0f, -0.459222734f, 0.00690607727f, -0.000317756552f,
                                             -1.4645324e-05f, -5.25233226e-08f);
   const vec<float> odd = polynomial<float>(square, -1.15110421f, -0.0524261966f, 5.33060993e-05f, 9.21007086e-05f,
                                            1.31863965e-06f);
   const vec<float> tail = select<float>(a < 5.6f, exp2_negative(odd, a, even), vec<float>{});
   return select<float>(x < 0.0f, tail, 1.0f - tail);
}

// ---- double

template <>
SOFIE_JIT_INLINE vec<double> vexp<double>(vec<double> x)
{
   return lane_by_lane<double>(x, [](double v) { return std::exp(v); });
}
template <>
SOFIE_JIT_INLINE vec<double> vexp_nonpositive<double>(vec<double> x)
{
   return vexp<double>(x);
}
template <>
SOFIE_JIT_INLINE vec<double> vexpm1<double>(vec<double> x)
{
   return lane_by_lane<double>(x, [](double v) { return std::expm1(v); });
}
template <>
SOFIE_JIT_INLINE vec<double> vlog<double>(vec<double> x)
{
   return lane_by_lane<double>(x, [](double v) { return std::log(v); });
}
template <>
SOFIE_JIT_INLINE vec<double> vlog1p<double>(vec<double> x)
{
   return lane_by_lane<double>(x, [](double v) { return std::log1p(v); });
}
template <>
SOFIE_JIT_INLINE vec<double> vtanh<double>(vec<double> x)
{
   return lane_by_lane<double>(x, [](double v) { return std::tanh(v); });
}
template <>
SOFIE_JIT_INLINE vec<double> verf<double>(vec<double> x)
{
   return lane_by_lane<double>(x, [](double v) { return std::erf(v); });
}

template <>
SOFIE_JIT_INLINE vec<double> vnormal<double>(vec<double> x)
{
   return 0.5 * (1.0 + verf<double>(x * 0.70710678118654752440));
}

// ---- both

// 1 / (1 + exp(-x)), from the exponential of a negative number for either sign: it neither overflows nor loses small
// values.
template <class T>
SOFIE_JIT_INLINE vec<T> vsigmoid(vec<T> x)
{
   const vec<T> z = vexp_nonpositive<T>(-vabs<T>(x));
   return select<T>(x < 0, z, broadcast(T(1))) / (T(1) + z);
}

// log(1 + exp(x))
template <class T>
SOFIE_JIT_INLINE vec<T> vsoftplus(vec<T> x)
{
   return select<T>(x > 0, x, vec<T>{}) + vlog1p<T>(vexp_nonpositive<T>(-vabs<T>(x)));
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
