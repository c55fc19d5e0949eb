// Exact products of matrices of 8-bit integers, as sums of 32 bits.
//
// Elements are widened to 16 bits, less their zero point. One instruction multiplies two adjacent elements along K with
// two others and adds both products: each lane of 32 bits holds such a pair. A row of A is cut into segments, so that
// the windows of a convolution are rows, too. The order of the additions does not matter, so registers split K as they
// like.
#ifndef SOFIE_JIT_PAIR_GEMM_HXX
#define SOFIE_JIT_PAIR_GEMM_HXX

#include "core/memory.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// sum + low(a) low(b) + high(a) high(b) for the halves of each lane.
SOFIE_JIT_INLINE vec<std::int32_t> add_pairs(vec<std::int32_t> a, vec<std::int32_t> b, vec<std::int32_t> sum)
{
#if defined(__x86_64__) && SOFIE_JIT_VECTOR_BYTES == 16
   return sum + (vec<std::int32_t>)__builtin_ia32_pmaddwd128((vec<short>)a, (vec<short>)b);
#elif defined(__AVX2__) && SOFIE_JIT_VECTOR_BYTES == 32
   return sum + (vec<std::int32_t>)__builtin_ia32_pmaddwd256((vec<short>)a, (vec<short>)b);
#elif defined(__AVX512VNNI__) && SOFIE_JIT_VECTOR_BYTES == 64 && !defined(__clang__)
   return (vec<std::int32_t>)_mm512_dpwssd_epi32((__m512i)sum, (__m512i)a, (__m512i)b);
#elif defined(__AVX512VNNI__) && SOFIE_JIT_VECTOR_BYTES == 64 && __clang_major__ < 22
   return (vec<std::int32_t>)__builtin_ia32_vpdpwssd512((vec<int>)sum, (vec<int>)a, (vec<int>)b);
#elif defined(__AVX512BW__) && SOFIE_JIT_VECTOR_BYTES == 64 && defined(__clang__)
   return sum + (vec<std::int32_t>)__builtin_ia32_pmaddwd512((vec<short>)a, (vec<short>)b);
#elif defined(__AVX512BW__) && SOFIE_JIT_VECTOR_BYTES == 64
   return sum + (vec<std::int32_t>)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#else
   return sum + ((a << 16) >> 16) * ((b << 16) >> 16) + (a >> 16) * (b >> 16);
#endif
}

constexpr std::size_t pair_columns = 2 * lanes<std::int32_t>; // of a panel of B

constexpr std::size_t even(std::size_t k)
{
   return k + k % 2;
}

constexpr std::size_t pair_panels_size(std::size_t K, std::size_t N)
{
   return even(K) * ((N + pair_columns - 1) / pair_columns) * pair_columns;
}

// Writes panels [K / 2][pair_columns][2] of the matrix b(k, n); beyond it they are 0.
template <class Element>
void pack_pair_panels(std::size_t K, std::size_t N, std::int16_t *panels, const Element &b)
{
   for (std::size_t first = 0; first < N; first += pair_columns)
      for (std::size_t k = 0; k < even(K); k += 2)
         for (std::size_t n = first; n < first + pair_columns; ++n)
            for (std::size_t i = k; i < k + 2; ++i)
               *panels++ = i < K && n < N ? b(i, n) : std::int16_t(0);
}

// The widened element, less zero[index * step]; `zero` may be null.
template <class Q>
SOFIE_JIT_INLINE std::int16_t widened(Q value, const Q *zero, std::size_t index)
{
   return std::int16_t(value - (zero ? zero[index] : 0));
}

// Rows of A: each is `segments` pieces of `pairs` pairs, at these offsets from its start.
struct PairRows {
   std::size_t segments, pairs;
   const std::size_t *offset;
};

// MR rows of A times a panel: sums of 2 registers per row. U: steps along K with sums of their own.
template <int MR, int U>
SOFIE_JIT_INLINE void pair_tile(const PairRows &rows, const std::int16_t *const (&row)[MR], const std::int16_t *panel,
                                vec<std::int32_t> (&sum)[MR][2])
{
   using V = vec<std::int32_t>;
   V part[U][MR][2] = {};
   const auto *at = reinterpret_cast<const typename simd<std::int32_t>::unaligned *>(panel);
   for (std::size_t s = 0; s < rows.segments; ++s) {
      const std::int16_t *from[MR];
      for (int i = 0; i < MR; ++i)
         from[i] = row[i] + rows.offset[s];
      const auto step = [&](std::size_t p, V(&to)[MR][2]) SOFIE_JIT_INLINED {
         const V first = at[0], second = at[1];
         at += 2;
         SOFIE_JIT_UNROLL
         for (int i = 0; i < MR; ++i) {
            std::int32_t pair;
            std::memcpy(&pair, from[i] + 2 * p, sizeof pair);
            to[i][0] = add_pairs(broadcast(pair), first, to[i][0]);
            to[i][1] = add_pairs(broadcast(pair), second, to[i][1]);
         }
      };
      std::size_t p = 0;
      for (; p + U <= rows.pairs; p += U)
         SOFIE_JIT_UNROLL
         for (int u = 0; u < U; ++u)
            step(p + std::size_t(u), part[u]);
      for (; p < rows.pairs; ++p)
         step(p, part[0]);
   }
   SOFIE_JIT_UNROLL
   for (int i = 0; i < MR; ++i)
      SOFIE_JIT_UNROLL
      for (int j = 0; j < 2; ++j) {
         sum[i][j] = part[0][i][j];
         SOFIE_JIT_UNROLL
         for (int u = 1; u < U; ++u)
            sum[i][j] = sum[i][j] + part[u][i][j];
      }
}

// y[m * y_row + n * y_column] of MR rows from m on, for the N columns of all panels; row(m) is the start of a row of A.
template <int MR, int U, class Row>
SOFIE_JIT_NOINLINE void pair_rows(const PairRows &rows, std::size_t m, std::size_t N, const std::int16_t *panel,
                                  const Row &row, std::int32_t *y, std::size_t y_row, std::size_t y_column)
{
   const std::int16_t *start[MR];
   for (int i = 0; i < MR; ++i)
      start[i] = row(m + std::size_t(i));
   for (std::size_t n = 0; n < N; n += pair_columns, panel += 2 * rows.segments * rows.pairs * pair_columns) {
      vec<std::int32_t> sum[MR][2];
      pair_tile<MR, U>(rows, start, panel, sum);
      const std::size_t used = N - n < pair_columns ? N - n : pair_columns;
      for (int i = 0; i < MR; ++i) {
         std::int32_t *const to = y + (m + std::size_t(i)) * y_row + n * y_column;
         alignas(SOFIE_JIT_VECTOR_BYTES) std::int32_t value[pair_columns];
         store(value, sum[i][0]);
         store(value + lanes<std::int32_t>, sum[i][1]);
         if (y_column == 1)
            std::memcpy(to, value, used * sizeof(std::int32_t));
         else
            for (std::size_t j = 0; j < used; ++j)
               to[j * y_column] = value[j];
      }
   }
}

template <class Row>
void pair_gemm(const PairRows &rows, std::size_t M, std::size_t N, const std::int16_t *panels, const Row &row,
               std::int32_t *y, std::size_t y_row, std::size_t y_column)
{
   constexpr int most = by_register_width(12, 6, 6);
   std::size_t m = 0;
   for (; m + most <= M; m += most)
      pair_rows<most, 1>(rows, m, N, panels, row, y, y_row, y_column);
   for (; m + 4 <= M; m += 4)
      pair_rows<4, 1>(rows, m, N, panels, row, y, y_row, y_column);
   for (; m < M; ++m)
      pair_rows<1, 4>(rows, m, N, panels, row, y, y_row, y_column);
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
