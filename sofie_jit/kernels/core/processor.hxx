// Detects the instruction sets of the processor, for saved headers that contain code for several of them. (Not
// __builtin_cpu_supports: it reads a variable of the compiler's run-time library, which Cling lacks.)
#ifndef SOFIE_JIT_PROCESSOR_HXX
#define SOFIE_JIT_PROCESSOR_HXX

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "core/simd.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

enum class Processor { plain, avx2, avx512 };

// The best instruction set that the processor and the operating system, which must save the registers, both support.
inline Processor processor()
{
#if defined(__x86_64__)
   constexpr unsigned fma3 = 1u << 12, xsave = 1u << 27;                  // leaf 1, ecx
   constexpr unsigned bmi1 = 1u << 3, avx2 = 1u << 5, bmi2 = 1u << 8;     // leaf 7, ebx
   constexpr unsigned avx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31; // f, dq, bw, vl
   constexpr unsigned ymm = 0x6, zmm = 0xe6;                              // registers that are saved
   unsigned a, b, c, d, low, high;
   if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & fma3) || !(c & xsave))
      return Processor::plain;
   asm("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
   if ((low & ymm) != ymm || !__get_cpuid_count(7, 0, &a, &b, &c, &d) ||
       (b & (bmi1 | avx2 | bmi2)) != (bmi1 | avx2 | bmi2))
      return Processor::plain;
   return (low & zmm) == zmm && (b & avx512) == avx512 ? Processor::avx512 : Processor::avx2;
#else
   return Processor::plain;
#endif
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
