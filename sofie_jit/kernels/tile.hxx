// The register tile under every dense kernel: MR rows of input times NV vectors of outputs, accumulated in registers.
//
// Weights come in panels: NV vectors of neighbouring outputs, [K][NV * lanes], so that one step over k reads them in
// order and multiplies each by one broadcast number of every row.
//
// Each output's sum over k runs in this order whatever MR is: k ascending in blocks of `k_block`, each block from
// zero by fma, the blocks added in order. (One chain over all of a large K would be several times less accurate.)
#ifndef SOFIE_JIT_TILE_HXX
#define SOFIE_JIT_TILE_HXX

#include "simd.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

constexpr std::size_t k_block = 256;

// Rows of a tile with two vectors of outputs: accumulators, two weights and one broadcast must fit the registers.
constexpr int tile_rows = SOFIE_JIT_VECTOR_BYTES == 64 ? 12 : 6;

template <class T, int MR, int NV>
struct Tile {
   vec<T> v[MR][NV];

   SOFIE_JIT_INLINE void clear()
   {
      SOFIE_JIT_UNROLL
      for (int i = 0; i < MR; ++i)
         SOFIE_JIT_UNROLL
         for (int j = 0; j < NV; ++j)
            v[i][j] = vec<T>{};
   }

   SOFIE_JIT_INLINE void add(const Tile &other)
   {
      SOFIE_JIT_UNROLL
      for (int i = 0; i < MR; ++i)
         SOFIE_JIT_UNROLL
         for (int j = 0; j < NV; ++j)
            v[i][j] = v[i][j] + other.v[i][j];
   }

   // v[i] += a[i * stride + k] * panel[k] for k < length.
   SOFIE_JIT_INLINE void accumulate(const T *a, std::size_t stride, const T *panel, std::size_t length)
   {
      const T *rows[MR];
      SOFIE_JIT_UNROLL
      for (int i = 0; i < MR; ++i)
         rows[i] = a + std::size_t(i) * stride;
      gather(rows, 0, panel, length);
   }

   // The same with rows anywhere: v[i] += rows[i][begin + k] * panel[k] for k < length. One running pointer and the
   // other rows' distances from it: with MR pointers and a counter, x86-64 would be two registers short.
   SOFIE_JIT_INLINE void gather(const T *const (&rows)[MR], std::size_t begin, const T *panel, std::size_t length)
   {
      std::intptr_t distance[MR];
      SOFIE_JIT_UNROLL
      for (int i = 0; i < MR; ++i)
         distance[i] = reinterpret_cast<std::intptr_t>(rows[i]) - reinterpret_cast<std::intptr_t>(rows[0]);
      const char *at = reinterpret_cast<const char *>(rows[0] + begin);
      const char *const end = at + length * sizeof(T);
      for (; at != end; at += sizeof(T), panel += NV * lanes<T>) {
         asm("" : "+r"(at)); // or the compiler makes pointers and a counter of it again
         vec<T> w[NV];
         SOFIE_JIT_UNROLL
         for (int j = 0; j < NV; ++j)
            w[j] = load(panel + j * lanes<T>);
         SOFIE_JIT_UNROLL
         for (int i = 0; i < MR; ++i) {
            const vec<T> x = broadcast(*reinterpret_cast<const T *>(at + distance[i]));
            SOFIE_JIT_UNROLL
            for (int j = 0; j < NV; ++j)
               v[i][j] = fma<T>(x, w[j], v[i][j]);
         }
      }
   }
};

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
