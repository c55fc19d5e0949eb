// y[rows][N] = activation(x[rows][K] * W[K][N] + bias[N] + residual[rows][N]), W packed once into panels (see tile.hxx).
//
// panels: [ceil(N / panel_width)][K][panel_width], the outputs past N zero; the last panel is one vector wide if that
// is enough. bias: padded with zeros to whole panels. residual may be null.
//
// Batches go in blocks of tile_rows rows per panel; what remains in blocks of 4 and single rows. The order of each
// output's sum depends on the layer alone (k_split), so a row's bits do not depend on the batch it came in.
#ifndef SOFIE_JIT_GEMM_HXX
#define SOFIE_JIT_GEMM_HXX

#include "core/memory.hxx"
#include "core/tile.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// Where the panel that starts at output n ends.
template <class T>
SOFIE_JIT_INLINE constexpr std::size_t panel_end(std::size_t n, std::size_t N)
{
   return n + (N - n <= std::size_t(lanes<T>) ? std::size_t(lanes<T>) : panel_width<T>);
}

// W[k][n] = values[k * N + n], or values[n * K + k] if transposed; scaled by alpha.
template <class T>
SOFIE_JIT_COLD Buffer<T> pack_gemm(const T *values, std::size_t K, std::size_t N, bool transposed = false, T alpha = T(1))
{
   constexpr std::size_t width = panel_width<T>;
   const std::size_t last = N / width * width;
   Buffer<T> packed(N > last ? panel_end<T>(last, N) * K : N * K);
   T *to = packed.data();
   for (std::size_t first = 0, end; first < N; first = end) {
      end = panel_end<T>(first, N);
      for (std::size_t k = 0; k < K; ++k)
         for (std::size_t n = first; n < end; ++n, ++to)
            if (n < N)
               *to = alpha * (transposed ? values[n * K + k] : values[k * N + n]);
   }
   return packed;
}

// One number per output, padded with zeros to whole panels; null stands for all zeros.
template <class T>
SOFIE_JIT_COLD Buffer<T> pack_bias(const T *values, std::size_t N, T beta = T(1))
{
   constexpr std::size_t width = panel_width<T>;
   Buffer<T> packed((N + width - 1) / width * width);
   for (std::size_t n = 0; values && n < N; ++n)
      packed[n] = beta * values[n] + T(0); // no -0: then the sign of a sum that is zero does not matter
   return packed;
}

// How the sum over k is cut: into `count` blocks of `length` terms, the last of what is left.
struct Split {
   std::size_t count, length;
};

constexpr int chains = 4; // sums that go side by side, to hide fma's latency

// Blocks of at most k_block terms, a multiple of `together` of them.
SOFIE_JIT_INLINE constexpr Split k_blocks(std::size_t K, std::size_t together = 1)
{
   const std::size_t count = (K + together * k_block - 1) / (together * k_block) * together;
   return {count, count == 1 ? K : count == 4 ? K / 4 : count ? K / count : 0}; // a division takes as long as a small layer
}

// Bytes that stay in a second-level cache beside what passes through it.
constexpr std::size_t cached = 524288; // chain_depthwise.py reads it

template <class T>
struct Dense;

// Some rows times the weights of the outputs from `o` to `end`, and one row times all weights.
template <class T>
using GemmTiles = void (*)(const Dense<T> &g, std::size_t o, std::size_t end, std::size_t rows, const T *x,
                           const T *residual, T *y);
template <class T>
using GemmRow = void (*)(const Dense<T> &g, const T *x, const T *residual, T *y);
// All weights, for rows with zeros; false if it did nothing. It does whatever has fewer than four rows.
template <class T>
using GemmSparse = bool (*)(const Dense<T> &g, std::size_t rows, const T *x, const T *residual, T *y);

// What a gemm is made of, as pointers, so that each is compiled apart, once for all layers that need it. Of a layer whose
// shape does without one of them it may be null; `pairs` is for those that are large enough to repay its compilation.
template <class T>
struct GemmParts {
   GemmTiles<T> wide, narrow, pairs; // panels of two vectors, those of one, and two wide ones at a time
   GemmRow<T> row;
   GemmSparse<T> sparse = nullptr;
};

template <int NV, class T>
void gemm_tiles(const Dense<T> &g, std::size_t o, std::size_t end, std::size_t rows, const T *x, const T *residual, T *y);
template <class T>
void gemm_pairs(const Dense<T> &g, std::size_t o, std::size_t end, std::size_t rows, const T *x, const T *residual, T *y);
template <class T>
void gemm_row(const Dense<T> &g, const T *x, const T *residual, T *y);
template <std::size_t N, class T>
bool gemm_sparse(const Dense<T> &g, std::size_t rows, const T *x, const T *residual, T *y);
template <std::size_t N, class T>
void gemm_row_sparse(const Dense<T> &g, const T *x, const T *residual, T *y);

constexpr std::size_t cut_terms = 32;   // the fewest terms of a sum that is cut for single rows,
constexpr std::size_t cut_outputs = 64; // and the most outputs

// How the sum over k is cut in a layer. A row that comes alone sums four blocks side by side where the outputs fill few
// registers: the time of a small network is that of its chains of sums. (operators/gemm.py chooses functions by this.)
template <class T>
SOFIE_JIT_INLINE constexpr Split k_split(std::size_t K, std::size_t N, const GemmParts<T> &parts)
{
   return k_blocks(K, !parts.row || K < cut_terms || N > cut_outputs ? 1 : chains);
}

// Those for any shape, and those for N outputs of inputs with zeros (sparse_gemm.hxx).
template <class T, bool Pairs = false, bool Row = true>
constexpr GemmParts<T> gemm_parts{gemm_tiles<2, T>, gemm_tiles<1, T>, Pairs ? gemm_pairs<T> : nullptr,
                                  Row ? gemm_row<T> : nullptr};
template <class T, bool Pairs, std::size_t N>
constexpr GemmParts<T> sparse_gemm_parts{gemm_tiles<2, T>, gemm_tiles<1, T>, Pairs ? gemm_pairs<T> : nullptr,
                                         gemm_row_sparse<N, T>, gemm_sparse<N, T>};

// What all rows of a gemm share.
template <class T>
struct Dense {
   std::size_t K, N, x_stride, stride; // terms, outputs, and the distances of rows of x and of y
   const T *panels, *bias;
   const Epilogue<T> &epilogue;
   Split split;
   bool far; // whether tiles fetch into the cache what they will write (is_far)
   const GemmParts<T> &parts = gemm_parts<T>;

   // Whether the weights stay in the first-level cache, so that fetching them is but one instruction more.
   SOFIE_JIT_INLINE constexpr bool tiny() const { return K * N * sizeof(T) <= 16384; }

   // Whether the weights stay in the cache while rows pass.
   SOFIE_JIT_INLINE constexpr bool keeps_weights() const { return K * N * sizeof(T) <= cached * 3 / 4; }
};

// Rows that go through all panels of weights before the next: those whose inputs stay in the cache; but two tiles if
// results go beyond it and the weights stay, for then they are written one after the other.
template <class T>
SOFIE_JIT_INLINE constexpr std::size_t gemm_block(const Dense<T> &g, std::size_t rows)
{
   const std::size_t row = g.K * sizeof(T);
   if (g.far && g.keeps_weights())
      return 2 * tile_rows;
   return rows * row <= cached ? rows : (cached / row / cut_rows + 1) * cut_rows; // small layers without a division
}

// Whether results go beyond any second-level cache.
template <class T>
SOFIE_JIT_INLINE constexpr bool is_far(std::size_t rows, std::size_t N)
{
   return rows * N * sizeof(T) > 4 * cached;
}

// The sums of MR rows with the panel of output o, or, if NV is 4, with that and the next.
template <int MR, int NV, class T>
SOFIE_JIT_INLINE void gemm_sum(Tile<T, MR, NV> &sum, const Dense<T> &g, std::size_t o, const T *x, const T *beside,
                               std::size_t by)
{
   constexpr int wide = NV < 2 ? NV : 2; // vectors of a panel
   constexpr bool common = MR == tile_rows && NV == 2;
   constexpr Fetch fetch = MR <= 4 && NV <= 2 ? Fetch::ahead : Fetch::beside;
   alignas(SOFIE_JIT_VECTOR_BYTES) T before[MR * NV * lanes<T>];
   const T *weights = g.panels + o * g.K;
   for (std::size_t k = 0, left = g.split.count;; --left) {
      const std::size_t terms = left > 1 ? g.split.length : g.K - k, apart = g.K * panel_width<T>;
      sum.clear();
      if (common && g.tiny())
         sum.template accumulate<common ? Fetch::nothing : fetch, wide>(x + k, g.x_stride, weights, terms, apart);
      else
         sum.template accumulate<fetch, wide>(x + k, g.x_stride, weights, terms, apart, beside + k * by, by);
      if (k)
         sum.add(before);
      if (left <= 1)
         break;
      sum.put(before);
      asm("" : : "r"(before) : "memory"); // the compiler would keep it in registers and have none left for the loop
      k += terms;
      weights += terms * wide * lanes<T>;
   }
}

// Fetches into the cache where a tile of `rows` rows will write, and what it will add.
template <class T>
SOFIE_JIT_NOINLINE void fetch_tile(std::size_t rows, std::size_t width, std::size_t stride, const T *residual,
                                   const T *y)
{
   constexpr std::size_t line = 64 / sizeof(T);
   for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t n = 0; n < width; n += line) {
         __builtin_prefetch(y + i * stride + n, 1);
         if (residual)
            __builtin_prefetch(residual + i * stride + n);
      }
}

template <int MR, int NV, class T>
void gemm_tile(const Dense<T> &g, std::size_t o, const T *x, const T *residual, T *y, std::size_t skip,
               const T *beside, std::size_t by)
{
   Tile<T, MR, NV> sum;
   if (g.far)
      fetch_tile(MR, NV * lanes<T>, g.stride, at(residual, o), y + o);
   gemm_sum(sum, g, o, x, beside, by);
   finish_tile(sum, g.bias + o, at(residual, o), y + o, g.stride, g.N - o, g.epilogue, skip);
}

constexpr bool cuts_tiles = SOFIE_JIT_VECTOR_BYTES == 64; // whether there are registers enough for what follows

// Rows of a layer whose K is cut in four, half a tile at a time: the other half of the registers has what the blocks
// before gave.
template <int Rows, int NV, class T>
void gemm_cut_tile(const Dense<T> &g, std::size_t o, const T *x, const T *residual, T *y, std::size_t skip, const T *,
                   std::size_t)
{
   constexpr int at_once = Rows < tile_rows / NV ? Rows : tile_rows / NV;
   if (g.far)
      fetch_tile(Rows, NV * lanes<T>, g.stride, at(residual, o), y + o);
   const T *const weights = g.panels + o * g.K;
   SOFIE_JIT_ROLLED
   for (std::size_t row = 0; row < Rows; row += at_once, x += at_once * g.x_stride) {
      Tile<T, at_once, NV> sum, part;
      sum.clear();
      sum.template accumulate<Fetch::nothing>(x, g.x_stride, weights, g.split.length);
      SOFIE_JIT_ROLLED
      for (std::size_t k = g.split.length, left = chains - 1; left > 0; --left, k += g.split.length) {
         part.clear();
         part.template accumulate<Fetch::nothing>(x + k, g.x_stride, weights + k * NV * lanes<T>,
                                                  left > 1 ? g.split.length : g.K - k);
         sum.add(part);
      }
      const std::size_t to = row * g.stride + o;
      finish_tile(sum, g.bias + o, at(residual, to), y + to, g.stride, g.N - o, g.epilogue, skip);
   }
}

// By how many numbers each step over k of `tiles` tiles fetches on, to have fetched as wide a piece of weights when they
// are done. None where there is one tile, or where the weights stay in the first-level cache: in a network, those that
// would stay in the second have made way for other layers'.
template <class T>
SOFIE_JIT_INLINE std::size_t fetch_step(const Dense<T> &g, std::size_t width, std::size_t tiles)
{
   return tiles <= 1 || g.tiny() ? 0 : (width + tiles - 1) / tiles;
}

template <class T>
using GemmTile = void (*)(const Dense<T> &g, std::size_t o, const T *x, const T *residual, T *y, std::size_t skip,
                          const T *beside, std::size_t by);

// Whole tiles of rows, and fours, the last of which begins earlier if fewer are left, with the panels of NV vectors that
// begin at outputs from `o` to `end`. While a panel passes over the rows, the next is fetched, a part beside each tile.
// (Inline, so that the tiles are called by name: 2 % of the MNIST CNN.)
template <int NV, class T>
SOFIE_JIT_INLINE void each_tile(const Dense<T> &g, std::size_t o, std::size_t end, std::size_t rows, const T *x,
                                const T *residual, T *y, GemmTile<T> whole_tile, GemmTile<T> four)
{
   constexpr std::size_t width = std::size_t(NV) * lanes<T>;
   const std::size_t whole = rows - rows % tile_rows, by = fetch_step(g, width, whole / tile_rows);
   for (; o < end; o += width) {
      const T *next = g.panels + (o + width) * g.K;
      for (std::size_t row = 0; row < rows; row += row < whole ? tile_rows : 4, next += by * g.K) {
         const auto tile = row < whole ? whole_tile : four;
         const std::size_t first = row < whole || row + 4 <= rows ? row : rows - 4;
         const std::size_t to = first * g.stride;
         tile(g, o, x + first * g.x_stride, at(residual, to), y + to, row - first, next, by);
      }
   }
}

// The GemmTiles of layers whose K is not cut in four blocks, of those where it is, and of any.
template <int NV, class T>
void gemm_tiles_uncut(const Dense<T> &g, std::size_t o, std::size_t end, std::size_t rows, const T *x, const T *residual,
                      T *y)
{
   each_tile<NV>(g, o, end, rows, x, residual, y, gemm_tile<tile_rows, NV, T>, gemm_tile<4, NV, T>);
}

template <int NV, class T>
void gemm_tiles_cut(const Dense<T> &g, std::size_t o, std::size_t end, std::size_t rows, const T *x, const T *residual,
                    T *y)
{
   if constexpr (cuts_tiles)
      each_tile<NV>(g, o, end, rows, x, residual, y, gemm_cut_tile<tile_rows, NV, T>, gemm_cut_tile<4, NV, T>);
   else
      gemm_tiles_uncut<NV>(g, o, end, rows, x, residual, y);
}

template <int NV, class T>
void gemm_tiles(const Dense<T> &g, std::size_t o, std::size_t end, std::size_t rows, const T *x, const T *residual, T *y)
{
   const auto tiles = g.split.count == chains ? gemm_tiles_cut<NV, T> : gemm_tiles_uncut<NV, T>;
   tiles(g, o, end, rows, x, residual, y);
}

// How many rows go by tiles of pair_rows; the others go by fours: eight as two, for six and four would be ten.
SOFIE_JIT_INLINE constexpr std::size_t rows_of_pairs(std::size_t rows)
{
   const std::size_t rest = rows % pair_rows;
   return rows - rest - (rows > pair_rows && rest && rest <= 2 ? pair_rows : 0);
}

// The same with two panels at a time; nothing where registers are few.
template <class T>
void gemm_pairs(const Dense<T> &g, std::size_t o, std::size_t end, std::size_t rows, const T *x, const T *residual, T *y)
{
   if constexpr (pairs_panels) {
      constexpr std::size_t width = 2 * panel_width<T>;
      const std::size_t whole = rows_of_pairs(rows);
      const std::size_t by = fetch_step(g, width, whole / pair_rows + (rows - whole + 3) / 4);
      for (; o < end; o += width) {
         const T *next = g.panels + (o + width) * g.K;
         for (std::size_t row = 0; row < whole; row += pair_rows, next += by * g.K) {
            const std::size_t to = row * g.stride;
            gemm_tile<pair_rows, 4>(g, o, x + row * g.x_stride, at(residual, to), y + to, 0, next, by);
         }
         for (std::size_t row = whole; row < rows; row += 4, next += by * g.K) {
            const std::size_t first = row + 4 <= rows ? row : rows - 4, to = first * g.stride;
            gemm_tile<4, 4>(g, o, x + first * g.x_stride, at(residual, to), y + to, row - first, next, by);
         }
      }
   }
}

// ---- a single row

template <int NV, class T>
SOFIE_JIT_INLINE void row_panel(const Dense<T> &g, std::size_t o, const T *x, const T *residual, T *y)
{
   Tile<T, 1, NV> sum;
   gemm_sum(sum, g, o, x, x, 0);
   SOFIE_JIT_UNROLL
   for (std::size_t j = 0; j < NV; ++j, o += lanes<T>)
      if (o < g.N)
         finish_vector(sum.v[0][j] + load(g.bias + o), at(residual, o), y + o, g.N - o, g.epilogue);
}

// Panel by panel from output o on.
template <class T>
SOFIE_JIT_NOINLINE void row_in_turn(const Dense<T> &g, std::size_t o, const T *x, const T *residual, T *y)
{
   for (; o + lanes<T> < g.N; o += panel_width<T>)
      row_panel<2>(g, o, x, residual, y);
   if (o < g.N)
      row_panel<1>(g, o, x, residual, y);
}

// Part i is the sum over `terms` terms of x + i * x_step with the weights at w + i * w_step, [terms][NV * lanes].
template <int NV, class T>
SOFIE_JIT_NOINLINE void row_chains(const T *x, std::size_t x_step, const T *w, std::size_t w_step, std::size_t terms,
                                   T *parts)
{
   Tile<T, chains, NV> sum;
   sum.clear();
   sum.products(x, x_step, w, w_step, terms);
   sum.put(parts);
}

// Outputs from o on, `width` of them at most, of sums that want the bias.
template <class T>
SOFIE_JIT_INLINE void row_finish(const Dense<T> &g, std::size_t o, const T *sums, std::size_t width, const T *residual,
                                 T *y)
{
   SOFIE_JIT_ROLLED
   for (const T *const end = sums + width; sums < end && o < g.N; sums += lanes<T>, o += lanes<T>)
      finish_vector(load(sums) + load(g.bias + o), at(residual, o), y + o, g.N - o, g.epilogue);
}

// `chains` panels at a time while there are so many; the outputs that this gave.
template <class T>
SOFIE_JIT_NOINLINE std::size_t row_by_panels(const Dense<T> &g, const T *x, const T *residual, T *y)
{
   constexpr std::size_t width = chains * panel_width<T>;
   alignas(SOFIE_JIT_VECTOR_BYTES) T parts[width], sums[width];
   std::size_t o = 0;
   for (; o + width <= g.N; o += width) {
      for (std::size_t block = 0, k = 0; block < g.split.count; ++block, k += g.split.length) {
         const std::size_t terms = block + 1 < g.split.count ? g.split.length : g.K - k;
         const T *const w = g.panels + o * g.K + k * panel_width<T>;
         row_chains<2>(x + k, 0, w, g.K * panel_width<T>, terms, block ? parts : sums);
         SOFIE_JIT_ROLLED
         for (std::size_t j = 0; block && j < width; j += lanes<T>)
            store(sums + j, load(sums + j) + load(parts + j));
      }
      row_finish(g, o, sums, width, residual, y);
   }
   return o;
}

// Panel by panel, `chains` blocks of k at a time.
template <class T>
SOFIE_JIT_NOINLINE void row_by_blocks(const Dense<T> &g, const T *x, const T *residual, T *y)
{
   alignas(SOFIE_JIT_VECTOR_BYTES) T parts[chains * panel_width<T>], sums[panel_width<T>];
   const std::size_t length = g.split.length, rest = g.split.count * length;
   for (std::size_t o = 0, width; o < g.N; o += width) {
      width = panel_end<T>(o, g.N) - o;
      const T *panel = g.panels + o * g.K;
      const auto sum = width == panel_width<T> ? row_chains<2, T> : row_chains<1, T>;
      for (std::size_t block = 0; block < g.split.count; block += chains) {
         const std::size_t k = block * length;
         sum(x + k, length, panel + k * width, length * width, length, parts);
         SOFIE_JIT_ROLLED
         for (std::size_t j = 0; j < width; j += lanes<T>) {
            const T *const part = parts + j;
            vec<T> last = load(part + 3 * width);
            for (std::size_t r = rest; r < g.K && block + chains == g.split.count; ++r)
               last = fma<T>(broadcast(x[r]), load(panel + r * width + j), last);
            const vec<T> first = block ? load(sums + j) + load(part) : load(part);
            store(sums + j, first + load(part + width) + load(part + 2 * width) + last);
         }
      }
      row_finish(g, o, sums, width, residual, y);
   }
}

// The panel of output o, of a K that is cut in four.
template <int NV, class T>
SOFIE_JIT_NOINLINE void row_quarters(const Dense<T> &g, std::size_t o, const T *x, const T *residual, T *y)
{
   constexpr std::size_t width = NV * lanes<T>;
   const std::size_t length = g.split.length;
   const T *const weights = g.panels + o * g.K;
   Tile<T, chains, NV> part;
   part.clear();
   part.products(x, length, weights, length * width, length);
   SOFIE_JIT_UNROLL
   for (int j = 0; j < NV; ++j, o += lanes<T>) {
      vec<T> last = part.v[chains - 1][j];
      SOFIE_JIT_ROLLED
      for (std::size_t k = chains * length; k < g.K; ++k)
         last = fma<T>(broadcast(x[k]), load(weights + k * width + j * lanes<T>), last);
      const vec<T> sum = part.v[0][j] + part.v[1][j] + part.v[2][j] + last;
      finish_vector(sum + load(g.bias + o), at(residual, o), y + o, g.N - o, g.epilogue);
   }
}

// P panels from output o on, of a K that is one block: small layers, whose weights are in the first cache.
template <int P, int NV, class T>
SOFIE_JIT_NOINLINE void row_short(const Dense<T> &g, std::size_t o, const T *x, const T *residual, T *y)
{
   Tile<T, P, NV> sum;
   sum.clear();
   sum.products(x, 0, g.panels + o * g.K, g.K * NV * lanes<T>, g.K);
   SOFIE_JIT_UNROLL
   for (int i = 0; i < P; ++i)
      SOFIE_JIT_UNROLL
      for (int j = 0; j < NV; ++j, o += lanes<T>)
         finish_vector(sum.v[i][j] + load(g.bias + o), at(residual, o), y + o, g.N - o, g.epilogue);
}

// All outputs from o on, of such a K.
template <class T>
SOFIE_JIT_INLINE void row_all_short(const Dense<T> &g, std::size_t o, const T *x, const T *residual, T *y)
{
   constexpr std::size_t width = panel_width<T>, one = lanes<T>;
   for (; o + width + one < g.N; o += 2 * width)
      row_short<2, 2>(g, o, x, residual, y);
   if (o + one < g.N) {
      row_short<1, 2>(g, o, x, residual, y);
      o += width;
   }
   if (o < g.N)
      row_short<1, 1>(g, o, x, residual, y);
}

// Outputs from which on panels go by fours.
template <class T>
constexpr std::size_t wide_row = chains * panel_width<T>;

// A row of a layer with four blocks of k, with one and few outputs, with several, and of any. Panels: which widths of
// panels there are, 1 for one vector, 2 for two, 3 for both.
template <int Panels, class T>
void gemm_row_quarters(const Dense<T> &g, const T *x, const T *residual, T *y)
{
   std::size_t o = 0;
   if constexpr (Panels & 2)
      for (; o + lanes<T> < g.N; o += panel_width<T>)
         row_quarters<2>(g, o, x, residual, y);
   if constexpr (Panels & 1)
      if (o < g.N)
         row_quarters<1>(g, o, x, residual, y);
}

template <class T>
void gemm_row_short(const Dense<T> &g, const T *x, const T *residual, T *y)
{
   row_all_short(g, 0, x, residual, y);
}

template <class T>
void gemm_row_long(const Dense<T> &g, const T *x, const T *residual, T *y)
{
   row_in_turn(g, g.N < wide_row<T> ? 0 : row_by_panels(g, x, residual, y), x, residual, y);
}

template <class T>
void gemm_row(const Dense<T> &g, const T *x, const T *residual, T *y)
{
   if (g.split.count == chains)
      gemm_row_quarters<3>(g, x, residual, y);
   else if (g.split.count && g.split.count % chains == 0)
      row_by_blocks(g, x, residual, y);
   else if (g.split.count == 1)
      row_all_short(g, g.N < wide_row<T> ? 0 : row_by_panels(g, x, residual, y), x, residual, y);
   else
      gemm_row_long(g, x, residual, y);
}

// ---- all rows

// Fours of rows, and single ones; what takes longer than a four goes as one: three rows, of layers that are not tiny two.
template <class T>
void gemm_rows(const Dense<T> &g, std::size_t rows, const T *x, const T *residual, T *y)
{
   if (rows > 1 && g.parts.sparse && g.parts.sparse(g, rows, x, residual, y))
      return;
   // Single rows would fetch all weights once more, if these do not stay, and products without any have no function for one.
   const bool near = g.parts.row && (g.keeps_weights() || rows < 4);
   const std::size_t rest = rows % tile_rows % 4, beyond = g.N % panel_width<T>;
   const std::size_t fours = near && (rows < 4 || rest <= (g.tiny() ? 2 : 1)) ? rows - rest : rows;
   if (fours) {
      const std::size_t wide = beyond <= std::size_t(lanes<T>) ? g.N - beyond : g.N;
      const std::size_t paired = pairs_panels && g.parts.pairs ? wide - wide % (2 * panel_width<T>) : 0;
      if (paired)
         g.parts.pairs(g, 0, paired, fours, x, residual, y);
      if (paired < wide)
         g.parts.wide(g, paired, wide, fours, x, residual, y);
      if (wide < g.N)
         g.parts.narrow(g, wide, g.N, fours, x, residual, y);
   }
   for (std::size_t row = fours; row < rows; ++row)
      g.parts.row(g, x + row * g.x_stride, at(residual, row * g.stride), y + row * g.stride);
}

template <class T>
SOFIE_JIT_NOINLINE void gemm_blocks(const Dense<T> &g, std::size_t rows, const T *x, const T *residual, T *y)
{
   const std::size_t most = gemm_block(g, rows);
   for (std::size_t first = 0; first < rows; first += most) {
      const std::size_t block = rows - first < most ? rows - first : most;
      T *const to = y + first * g.stride;
      gemm_rows(g, block, x + first * g.x_stride, at(residual, first * g.stride), to);
      if (!g.epilogue.function)
         continue;
      if (g.N == g.stride)
         g.epilogue.function(block * g.N, to, to);
      else
         for (std::size_t row = 0; row < block; ++row)
            g.epilogue.function(g.N, to + row * g.stride, to + row * g.stride);
   }
}

template <class T>
void gemm(std::size_t rows, std::size_t K, std::size_t N, const T *x, const T *panels, const T *bias, const T *residual,
          T *y, const Epilogue<T> &epilogue, const GemmParts<T> &parts)
{
   const Dense<T> g{K, N, K, N, panels, bias, epilogue, k_split(K, N, parts), is_far<T>(rows, N), parts};
   if (rows == 1 && !epilogue.function)
      parts.row(g, x, residual, y); // a small layer takes no longer than the questions on the way
   else
      gemm_blocks(g, rows, x, residual, y);
}

template <class T>
SOFIE_JIT_INLINE void gemm(std::size_t rows, std::size_t K, std::size_t N, const T *x, const T *panels, const T *bias,
                           const T *residual, T *y, const Epilogue<T> &epilogue)
{
   gemm(rows, K, N, x, panels, bias, residual, y, epilogue, gemm_parts<T>);
}

// gemm<T> for kernels that take it as a pointer, so that it is compiled apart from them.
template <class T>
using GemmFunction = void (*)(std::size_t rows, std::size_t K, std::size_t N, const T *x, const T *panels,
                              const T *bias, const T *residual, T *y, const Epilogue<T> &epilogue);

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
