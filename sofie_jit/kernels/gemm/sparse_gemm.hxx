// gemm.hxx for inputs with many zeros, such as results of a relu, half of which are zero: only the other inputs are
// multiplied.
//
// A step over k of a register tile serves several rows, which are hardly ever zero together. Here each row is processed
// separately, guided by bits that mark its nonzero inputs, with the vectors of a few panels; one block of their
// weights, which stays in the first-level cache, serves many rows.
//
// The sums are those of gemm.hxx to the last bit: adding 0 * w changes nothing if w is finite, which
// passes/skip_zeros.py ensures, except for the sign of a zero sum, which adding the bias removes (pack_bias).
#ifndef SOFIE_JIT_SPARSE_GEMM_HXX
#define SOFIE_JIT_SPARSE_GEMM_HXX

#include "gemm/gemm.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

constexpr std::size_t word_bits = 64;
constexpr std::size_t sparse_rows = 64; // rows that one block of weights serves, at most
constexpr std::size_t sparse_words =
   2 * tuning::sparse_max_k / word_bits; // words of bits, at most; enough for at least one row

// Marks the nonzero elements among the first n, at most those of one word. NaN is not zero.
template <class T>
SOFIE_JIT_INLINE std::uint64_t nonzero_bits(const T *x, std::size_t n)
{
   std::uint64_t bits = 0;
   SOFIE_JIT_ROLLED
   for (std::size_t k = 0; k < n && k < word_bits; k += lanes<T>)
      bits |= std::uint64_t(nonzero_lanes<T>(load_up_to(x + k, n - k))) << k;
   return bits;
}

// Words per row: each block of k starts a new one; the last block may have several.
template <class T>
SOFIE_JIT_INLINE std::size_t words_of_row(const GemmProblem<T> &g)
{
   const std::size_t full_blocks = g.split.count - 1;
   return full_blocks + (g.K - full_blocks * g.split.length + word_bits - 1) / word_bits;
}

// Writes the words of a row; returns the end.
template <class T>
SOFIE_JIT_NOINLINE std::uint64_t *write_nonzero_bits(const GemmProblem<T> &g, const T *x, std::uint64_t *bits)
{
   SOFIE_JIT_ROLLED
   for (std::size_t left = g.split.count, k = 0; left; --left)
      for (const std::size_t end = left > 1 ? k + g.split.length : g.K; k < end; ++bits) {
         *bits = nonzero_bits(x + k, end - k);
         k = end - k < word_bits ? end : k + word_bits;
      }
   return bits;
}

// sums += a block of k of one row times P panels, `panel_stride` elements apart, and, if Narrow, one panel of a single
// vector. The first block sets the sums. The bits mark the elements of x to multiply.
template <int P, bool Narrow, class T>
SOFIE_JIT_NOINLINE void sparse_block(const std::uint64_t *bits, const std::uint64_t *end, const T *x, const T *panels,
                                     std::size_t panel_stride, const T *narrow, T *sums, bool first)
{
   constexpr int count = 2 * P + int(Narrow);
   constexpr std::size_t vector = std::size_t(lanes<T>) * sizeof(T);
   vec<T> sum[std::size_t(count)];
   const char *from[std::size_t(P + 1)];
   SOFIE_JIT_UNROLL
   for (int j = 0; j < count; ++j)
      sum[j] = vec<T>{};
   SOFIE_JIT_UNROLL
   for (int p = 0; p < P; ++p)
      from[p] = reinterpret_cast<const char *>(panels + std::size_t(p) * panel_stride);
   from[P] = reinterpret_cast<const char *>(narrow);
   for (; bits != end; ++bits, x += word_bits) {
      SOFIE_JIT_ROLLED
      for (std::uint64_t left = *bits; left; left &= left - 1) {
         const std::size_t k = std::size_t(__builtin_ctzll(left));
         const vec<T> value = broadcast(x[k]);
         std::size_t at = k * vector;
         asm("" : "+r"(at)); // otherwise the compiler computes an address for every load
         SOFIE_JIT_UNROLL
         for (int j = 0; j < count; ++j) {
            const std::size_t offset = j < 2 * P ? 2 * at + std::size_t(j % 2) * vector : at;
            sum[j] = fma<T>(value, load(reinterpret_cast<const T *>(from[j / 2] + offset)), sum[j]);
         }
      }
      SOFIE_JIT_UNROLL
      for (int p = 0; p <= P; ++p)
         from[p] += word_bits * vector * (p < P ? 2 : 1);
   }
   SOFIE_JIT_UNROLL
   for (int j = 0; j < count; ++j, sums += lanes<T>)
      store(sums, first ? sum[j] : load(sums) + sum[j]);
}

template <class T>
using SparseBlock = void (*)(const std::uint64_t *bits, const std::uint64_t *end, const T *x, const T *panels,
                             std::size_t panel_stride, const T *narrow, T *sums, bool first);

// Whether skipping the zeros of these rows is faster than register tiles: always for fewer rows than the smallest tile
// has, otherwise if a sample of the rows has enough zeros. `bits` has space for one row.
template <class T>
SOFIE_JIT_NOINLINE bool skipping_pays(const GemmProblem<T> &g, std::size_t rows, const T *x, std::uint64_t *bits)
{
   std::size_t all = 0, found = 0;
   SOFIE_JIT_ROLLED
   for (std::size_t row = 0, step = rows < 64 ? 4 : rows / 16; rows >= 4 && row < rows; row += step) {
      const std::uint64_t *const end = write_nonzero_bits(g, x + row * g.x_stride, bits);
      SOFIE_JIT_ROLLED
      for (const std::uint64_t *word = bits; word != end; ++word)
         found += std::size_t(__builtin_popcountll(*word));
      all += g.K;
   }
   return found * 16 <= all * (rows < 8 ? 7 : 10); // measured, see benchmarks/README.md
}

// y of some rows with `words` words of bits each, for outputs from `o` to `end`, by one `block` function.
template <class T>
SOFIE_JIT_NOINLINE void sparse_columns(const GemmProblem<T> &g, std::size_t o, std::size_t end, std::size_t rows,
                                       const T *x, const std::uint64_t *bits, std::size_t words, const T *residual,
                                       T *y, SparseBlock<T> block)
{
   constexpr std::size_t width = nr<T>;
   alignas(SOFIE_JIT_VECTOR_BYTES) T sums[sparse_rows * ((tuning::fma_chains + 1) * width + lanes<T>)];
   const std::size_t outputs = (end - o + lanes<T> - 1) / lanes<T> * lanes<T>, wide = outputs / width * width;
   SOFIE_JIT_ROLLED
   for (std::size_t i = 0, k = 0; i < g.split.count; ++i, k += g.split.length) {
      const T *const panels = g.panels + o * g.K + k * width, *const narrow =
                                                                 g.panels + (o + wide) * g.K + k * lanes<T>;
      const std::size_t last = i + 1 < g.split.count ? i + 1 : words;
      SOFIE_JIT_ROLLED
      for (std::size_t row = 0; row < rows; ++row)
         block(bits + row * words + i, bits + row * words + last, x + row * g.x_stride + k, panels, g.K * width, narrow,
               sums + row * outputs, k == 0);
   }
   SOFIE_JIT_ROLLED
   for (std::size_t row = 0; row < rows; ++row)
      row_finish(g, o, sums + row * outputs, outputs, residual_at(residual, row * g.y_stride), y + row * g.y_stride);
}

// Outputs of the last block of a layer. Other blocks have tuning::fma_chains panels; if fewer than two panels would be
// left, the last block includes them. The result is the same for a layer and for the remainder of it behind one or more
// blocks.
template <class T>
SOFIE_JIT_INLINE constexpr std::size_t sparse_tail(std::size_t N)
{
   constexpr std::size_t whole = tuning::fma_chains * nr<T>;
   const std::size_t left = N % whole;
   return left == 0 || (N > whole && left <= nr<T> + lanes<T>) ? whole + left : left;
}

template <class T>
SOFIE_JIT_NOINLINE bool sparse_blocks(const GemmProblem<T> &g, std::size_t rows, const T *x, const T *residual, T *y,
                                      SparseBlock<T> whole, SparseBlock<T> last)
{
   constexpr std::size_t width = tuning::fma_chains * nr<T>;
   std::uint64_t bits[sparse_words];
   if (!skipping_pays(g, rows, x, bits))
      return false;
   const std::size_t last_from = g.N - sparse_tail<T>(g.N), words = words_of_row(g);
   const std::size_t fit = sparse_words / words, max_rows = fit < sparse_rows ? fit : sparse_rows;
   SOFIE_JIT_ROLLED
   for (std::size_t begin = 0, count; begin < rows; begin += count) {
      count = rows - begin < max_rows ? rows - begin : max_rows;
      const T *const from = x + begin * g.x_stride, *const add = residual_at(residual, begin * g.y_stride);
      T *const to = y + begin * g.y_stride;
      SOFIE_JIT_ROLLED
      for (std::size_t row = 0; row < count; ++row)
         write_nonzero_bits(g, from + row * g.x_stride, bits + row * words);
      SOFIE_JIT_ROLLED
      for (std::size_t o = 0; o < last_from; o += width)
         sparse_columns(g, o, o + width, count, from, bits, words, add, to, whole);
      sparse_columns(g, last_from, g.N, count, from, bits, words, add, to, last);
   }
   return true;
}

// The functions for layers of N outputs: for `whole` blocks, and for the `last` one.
template <std::size_t N, class T>
struct SparseBlocks {
   static constexpr std::size_t tail = sparse_tail<T>(N), rest = tail % nr<T>;
   static constexpr bool narrow = rest > 0 && rest <= std::size_t(lanes<T>);
   static constexpr int panels = int(tail / nr<T>) + int(rest > 0 && !narrow);
   static constexpr SparseBlock<T> end = sparse_block<panels, narrow, T>;
   static constexpr SparseBlock<T> whole = sparse_block < tail == N ? panels : tuning::fma_chains, tail == N &&narrow,
                                   T > ;

   // The last function for a part of the layer.
   static SOFIE_JIT_INLINE SparseBlock<T> last(const GemmProblem<T> &g)
   {
      return g.N % (tuning::fma_chains * nr<T>) ? end : whole;
   }
};

// A GemmSparse for layers of N outputs, and for parts of them: multiples of tuning::fma_chains panels, and the
// remainder.
template <std::size_t N, class T>
bool gemm_sparse(const GemmProblem<T> &g, std::size_t rows, const T *x, const T *residual, T *y)
{
   using Blocks = SparseBlocks<N, T>;
   return sparse_blocks(g, rows, x, residual, y, Blocks::whole, Blocks::last(g));
}

template <std::size_t N, class T>
void gemm_row_sparse(const GemmProblem<T> &g, const T *x, const T *residual, T *y)
{
   using Blocks = SparseBlocks<N, T>;
   constexpr std::size_t width = tuning::fma_chains * nr<T>;
   std::uint64_t bits[sparse_words];
   const std::size_t last_from = g.N - sparse_tail<T>(g.N), words = std::size_t(write_nonzero_bits(g, x, bits) - bits);
   SOFIE_JIT_ROLLED
   for (std::size_t o = 0; o < last_from; o += width)
      sparse_columns(g, o, o + width, 1, x, bits, words, residual, y, Blocks::whole);
   sparse_columns(g, last_from, g.N, 1, x, bits, words, residual, y, Blocks::last(g));
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
