// The instruction set that the kernels are compiled for: its name, the bytes of a vector register, and whether there
// is a fused multiply-add.
//
// Vectors wider than the baseline registers belong to code of that instruction set alone, so the set is part of every
// kernel's name: objects compiled with different -march flags can then meet in one program. (A saved header that
// carries code for several sets defines the three macros itself, because clang's macros reflect the command line only.)
#ifndef SOFIE_JIT_ISA_HXX
#define SOFIE_JIT_ISA_HXX

#include <cstddef>

#if defined(SOFIE_JIT_ISA)
#elif defined(__AVX512F__)
#define SOFIE_JIT_ISA avx512
#define SOFIE_JIT_VECTOR_BYTES 64
#define SOFIE_JIT_FMA 1
#elif defined(__AVX__) && defined(__FMA__)
#define SOFIE_JIT_ISA avx2
#define SOFIE_JIT_VECTOR_BYTES 32
#define SOFIE_JIT_FMA 1
#elif defined(__FMA__) || defined(__aarch64__)
#define SOFIE_JIT_ISA fma128
#define SOFIE_JIT_VECTOR_BYTES 16
#define SOFIE_JIT_FMA 1
#else
#define SOFIE_JIT_ISA baseline
#define SOFIE_JIT_VECTOR_BYTES 16
#define SOFIE_JIT_FMA 0
#endif

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// One of three values, for registers of 64, 32 or 16 bytes.
template <class V>
constexpr V by_register_width(V bytes64, V bytes32, V bytes16)
{
   return SOFIE_JIT_VECTOR_BYTES == 64 ? bytes64 : SOFIE_JIT_VECTOR_BYTES == 32 ? bytes32 : bytes16;
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
