// Functions for the profiler: a clock to read between two operators, and the peak rate of the processor.
#ifndef SOFIE_JIT_PROFILE_HXX
#define SOFIE_JIT_PROFILE_HXX

#include <chrono>

#include "core/simd.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

inline double seconds()
{
   return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Seconds since `mark`; sets `mark` to now.
inline double elapsed(double &mark)
{
   const double last = mark;
   mark = seconds();
   return mark - last;
}

// Copies the `size` sums to `taken` and resets them to zero.
inline void take_op_timings(std::size_t size, double *sums, double *taken)
{
   for (std::size_t i = 0; i < size; ++i) {
      taken[i] = sums[i];
      sums[i] = 0;
   }
}

// Floating-point operations per second of `steps` fused multiply-adds on each of twelve independent registers: more
// than latency times issue rate, so that only the arithmetic limits the rate. Code between the read and the write of a
// volatile variable stays between the two clock readings.
template <class T>
double fma_rate(std::size_t steps)
{
   constexpr int registers = 12;
   volatile T value = T(1);
   const double start = seconds();
   const vec<T> factor = broadcast(T(0.5)), addend = broadcast<T>(value);
   vec<T> sums[registers];
   for (int c = 0; c < registers; ++c)
      sums[c] = broadcast(T(c));
   for (std::size_t i = 0; i < steps; ++i) {
      SOFIE_JIT_UNROLL
      for (int c = 0; c < registers; ++c)
         sums[c] = fma<T>(sums[c], factor, addend);
   }
   vec<T> total = sums[0];
   for (int c = 1; c < registers; ++c)
      total = total + sums[c];
   value = total[0];
   return 2.0 * registers * lanes<T> * double(steps) / (seconds() - start);
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
