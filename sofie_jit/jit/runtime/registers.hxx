// The registers that the compiler of this process generates code for.
#ifndef SOFIE_JIT_REGISTERS_HXX
#define SOFIE_JIT_REGISTERS_HXX

namespace sofie_jit_runtime {

// Bytes of a register, as in kernels/core/isa.hxx; the text of every model checks that they agree.
int vector_bytes()
{
#if defined(__AVX512F__)
   return 64;
#elif defined(__AVX__) && defined(__FMA__)
   return 32;
#else
   return 16;
#endif
}

} // namespace sofie_jit_runtime
#endif
