// y[rows][N] = activation(x[rows][K] * W[K][N] + bias[N] + residual[rows][N]), with W packed once into panels
// (tile.hxx).
//
// panels: [ceil(N / nr)][K][nr], outputs beyond N zero; the last panel is one vector wide if that is enough. bias:
// padded with zeros to whole panels. residual may be null.
//
// Batches are processed in tiles of tuning::mr rows per panel, and the remainder in tiles of 4 rows and single rows.
// The order of each output's sum depends only on the layer (split_k), so a row has the same bits in any batch.
#ifndef SOFIE_JIT_GEMM_HXX
#define SOFIE_JIT_GEMM_HXX

#include "core/memory.hxx"
#include "core/tile.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// End of the panel that starts at output n.
template <class T>
SOFIE_JIT_INLINE constexpr std::size_t panel_end(std::size_t n, std::size_t N)
{
   return n + (N - n <= std::size_t(lanes<T>) ? std::size_t(lanes<T>) : nr<T>);
}

// Packs W[k][n] = values[k * N + n], or values[n * K + k] if transposed, scaled by alpha.
template <class T>
SOFIE_JIT_COLD Buffer<T> pack_gemm(const T *values, std::size_t K, std::size_t N, bool transposed = false,
                                   T alpha = T(1))
{
   constexpr std::size_t width = nr<T>;
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

// One element per output, padded with zeros to whole panels; null means all zeros.
template <class T>
SOFIE_JIT_COLD Buffer<T> pack_bias(const T *values, std::size_t N, T beta = T(1))
{
   constexpr std::size_t width = nr<T>;
   Buffer<T> packed((N + width - 1) / width * width);
   for (std::size_t n = 0; values && n < N; ++n)
      packed[n] = beta * values[n] + T(0); // + 0 removes -0: then the sign of a sum that is zero does not matter
   return packed;
}

// How the sum over k is divided: into `count` blocks of `length` terms, the last one with the remaining terms.
struct KSplit {
   std::size_t count, length;
};

// Blocks of at most tuning::kc terms; their number is a multiple of `multiple`.
SOFIE_JIT_INLINE constexpr KSplit split_into_blocks(std::size_t K, std::size_t multiple = 1)
{
   const std::size_t count = (K + multiple * tuning::kc - 1) / (multiple * tuning::kc) * multiple;
   return {count, count == 1   ? K
                  : count == 4 ? K / 4
                  : count      ? K / count
                               : 0}; // a division would take as long as a small layer
}

template <class T>
struct GemmProblem;

// Some rows times the weights of the outputs from `o` to `end`, and one row times all weights.
template <class T>
using GemmTiles = void (*)(const GemmProblem<T> &g, std::size_t o, std::size_t end, std::size_t rows, const T *x,
                           const T *residual, T *y);
template <class T>
using GemmRow = void (*)(const GemmProblem<T> &g, const T *x, const T *residual, T *y);
// All weights, for rows with zeros; false if it did nothing. It always processes batches of fewer than four rows.
template <class T>
using GemmSparse = bool (*)(const GemmProblem<T> &g, std::size_t rows, const T *x, const T *residual, T *y);

// The functions that a gemm consists of, as pointers, so that each is compiled separately, once for all layers that
// need it. Functions that the shape of a layer does not need may be null; `pairs` is for layers that are large enough
// to repay its compilation.
template <class T>
struct GemmMicrokernels {
   GemmTiles<T> wide, narrow, pairs; // panels of two vectors, panels of one, and pairs of panels of two
   GemmRow<T> row;
   GemmSparse<T> sparse = nullptr;
};

template <int NV, class T>
void gemm_tiles(const GemmProblem<T> &g, std::size_t o, std::size_t end, std::size_t rows, const T *x,
                const T *residual, T *y);
template <class T>
void gemm_pairs(const GemmProblem<T> &g, std::size_t o, std::size_t end, std::size_t rows, const T *x,
                const T *residual, T *y);
template <class T>
void gemm_row(const GemmProblem<T> &g, const T *x, const T *residual, T *y);
template <std::size_t N, class T>
bool gemm_sparse(const GemmProblem<T> &g, std::size_t rows, const T *x, const T *residual, T *y);
template <std::size_t N, class T>
void gemm_row_sparse(const GemmProblem<T> &g, const T *x, const T *residual, T *y);

// How the sum over k is divided in a layer. For a single row, four blocks are summed in parallel chains if the outputs
// fill few registers: the time of a small network is that of its chains of sums. (Python chooses functions by the same
// rule.)
template <class T>
SOFIE_JIT_INLINE constexpr KSplit split_k(std::size_t K, std::size_t N, const GemmMicrokernels<T> &kernels)
{
   return split_into_blocks(
      K, !kernels.row || K < tuning::split_k_min_terms || N > tuning::split_k_max_outputs ? 1 : tuning::fma_chains);
}

// The functions for any shape, and those for N outputs of inputs with zeros (sparse_gemm.hxx).
template <class T, bool Pairs = false, bool Row = true>
constexpr GemmMicrokernels<T> gemm_microkernels{gemm_tiles<2, T>, gemm_tiles<1, T>, Pairs ? gemm_pairs<T> : nullptr,
                                                Row ? gemm_row<T> : nullptr};
template <class T, bool Pairs, std::size_t N>
constexpr GemmMicrokernels<T> sparse_gemm_microkernels{
   gemm_tiles<2, T>, gemm_tiles<1, T>, Pairs ? gemm_pairs<T> : nullptr, gemm_row_sparse<N, T>, gemm_sparse<N, T>};

// The arguments that all rows of a gemm share.
template <class T>
struct GemmProblem {
   std::size_t K, N, x_stride, y_stride; // terms, outputs, and the distances between rows of x and of y
   const T *panels, *bias;
   const Epilogue<T> &epilogue;
   KSplit split;
   bool prefetches_output; // whether tiles prefetch the memory that they will write
   const GemmMicrokernels<T> &kernels = gemm_microkernels<T>;

   // Whether the weights stay in the first-level cache, where prefetching them would only cost instructions.
   SOFIE_JIT_INLINE constexpr bool tiny() const { return K * N * sizeof(T) <= 16 * 1024; }

   // Whether the weights stay in the second-level cache while rows pass.
   SOFIE_JIT_INLINE constexpr bool keeps_weights() const { return K * N * sizeof(T) <= tuning::cached_bytes * 3 / 4; }
};

// Rows that pass through all panels of weights before the next ones: those whose inputs stay in the cache; but two
// tiles if the results exceed the cache and the weights stay in it, because then results are written one after the
// other.
template <class T>
SOFIE_JIT_INLINE constexpr std::size_t gemm_mc(const GemmProblem<T> &g, std::size_t rows)
{
   const std::size_t row = g.K * sizeof(T);
   if (g.prefetches_output && g.keeps_weights())
      return 2 * tuning::mr;
   return rows * row <= tuning::cached_bytes
             ? rows
             : (tuning::cached_bytes / row / tuning::mc_step + 1) * tuning::mc_step; // no division for small layers
}

// Whether the results exceed any second-level cache.
template <class T>
SOFIE_JIT_INLINE constexpr bool output_exceeds_cache(std::size_t rows, std::size_t N)
{
   return rows * N * sizeof(T) > 4 * tuning::cached_bytes;
}

// The sums of MR rows with the panel of output o, or, if NV is 4, with that panel and the next.
template <int MR, int NV, class T>
SOFIE_JIT_INLINE void gemm_sum(Tile<T, MR, NV> &sum, const GemmProblem<T> &g, std::size_t o, const T *x,
                               const T *next_panel, std::size_t prefetch_distance)
{
   constexpr int wide = NV < tuning::nv ? NV : tuning::nv; // vectors of a panel
   constexpr bool common = MR == tuning::mr && NV == 2;
   constexpr Prefetch prefetch = MR <= 4 && NV <= 2 ? Prefetch::ahead : Prefetch::next_panel;
   alignas(SOFIE_JIT_VECTOR_BYTES) T previous[MR * NV * lanes<T>];
   const T *weights = g.panels + o * g.K;
   for (std::size_t k = 0, left = g.split.count;; --left) {
      const std::size_t terms = left > 1 ? g.split.length : g.K - k, panel_stride = g.K * nr<T>;
      sum.clear();
      if (common && g.tiny())
         sum.template accumulate<common ? Prefetch::none : prefetch, wide>(x + k, g.x_stride, weights, terms,
                                                                           panel_stride);
      else
         sum.template accumulate<prefetch, wide>(x + k, g.x_stride, weights, terms, panel_stride,
                                                 next_panel + k * prefetch_distance, prefetch_distance);
      if (k)
         sum.add(previous);
      if (left <= 1)
         break;
      sum.store_to(previous);
      // Without the fence the compiler keeps `previous` in registers and has none left for the loop.
      asm("" : : "r"(previous) : "memory");
      k += terms;
      weights += terms * wide * lanes<T>;
   }
}

// Prefetches the memory that a tile of `rows` rows will write, and the residual that it will add.
template <class T>
SOFIE_JIT_NOINLINE void prefetch_tile(std::size_t rows, std::size_t width, std::size_t y_stride, const T *residual,
                                      const T *y)
{
   constexpr std::size_t line = 64 / sizeof(T);
   for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t n = 0; n < width; n += line) {
         __builtin_prefetch(y + i * y_stride + n, 1);
         if (residual)
            __builtin_prefetch(residual + i * y_stride + n);
      }
}

template <int MR, int NV, class T>
void gemm_tile(const GemmProblem<T> &g, std::size_t o, const T *x, const T *residual, T *y, std::size_t skip,
               const T *next_panel, std::size_t prefetch_distance)
{
   Tile<T, MR, NV> sum;
   if (g.prefetches_output)
      prefetch_tile(MR, NV * lanes<T>, g.y_stride, residual_at(residual, o), y + o);
   gemm_sum(sum, g, o, x, next_panel, prefetch_distance);
   finish_tile(sum, g.bias + o, residual_at(residual, o), y + o, g.y_stride, g.N - o, g.epilogue, skip);
}

constexpr bool splits_tiles = SOFIE_JIT_VECTOR_BYTES == 64; // whether there are enough registers for gemm_split_k_tile

// Rows of a layer whose K is split in four, half a tile at a time: the other half of the registers holds the sums of
// the previous blocks. (The jet MLP takes 0.71 times as long at batch 1 as without split sums, and 0.99 times at 1024.)
template <int Rows, int NV, class T>
void gemm_split_k_tile(const GemmProblem<T> &g, std::size_t o, const T *x, const T *residual, T *y, std::size_t skip,
                       const T *, std::size_t)
{
   constexpr int mr_part = Rows < tuning::mr / NV ? Rows : tuning::mr / NV;
   if (g.prefetches_output)
      prefetch_tile(Rows, NV * lanes<T>, g.y_stride, residual_at(residual, o), y + o);
   const T *const weights = g.panels + o * g.K;
   SOFIE_JIT_ROLLED
   for (std::size_t row = 0; row < Rows; row += mr_part, x += mr_part * g.x_stride) {
      Tile<T, mr_part, NV> sum, part;
      sum.clear();
      sum.template accumulate<Prefetch::none>(x, g.x_stride, weights, g.split.length);
      SOFIE_JIT_ROLLED
      for (std::size_t k = g.split.length, left = tuning::fma_chains - 1; left > 0; --left, k += g.split.length) {
         part.clear();
         part.template accumulate<Prefetch::none>(x + k, g.x_stride, weights + k * NV * lanes<T>,
                                                  left > 1 ? g.split.length : g.K - k);
         sum.add(part);
      }
      const std::size_t to = row * g.y_stride + o;
      finish_tile(sum, g.bias + o, residual_at(residual, to), y + to, g.y_stride, g.N - o, g.epilogue, skip);
   }
}

// Distance, in elements, that each step over k of `tiles` tiles prefetches ahead so that all of them together fetch a
// panel of `width` outputs. 0 if there is a single tile, or if the weights stay in the first-level cache; weights that
// would stay in the second-level cache are prefetched because in a network other layers' weights have replaced them.
template <class T>
SOFIE_JIT_INLINE std::size_t prefetch_step(const GemmProblem<T> &g, std::size_t width, std::size_t tiles)
{
   return tiles <= 1 || g.tiny() ? 0 : (width + tiles - 1) / tiles;
}

template <class T>
using GemmTileKernel = void (*)(const GemmProblem<T> &g, std::size_t o, const T *x, const T *residual, T *y,
                                std::size_t skip, const T *next_panel, std::size_t prefetch_distance);

// Whole tiles of rows and tiles of four, the last of which starts earlier if fewer rows are left, with the panels of NV
// vectors that start at outputs from `o` to `end`. While one panel passes over the rows, the next one is prefetched, a
// part during each tile. (Inline, so that the tiles are called directly: 2 % of the time of the MNIST CNN.)
template <int NV, class T>
SOFIE_JIT_INLINE void each_tile(const GemmProblem<T> &g, std::size_t o, std::size_t end, std::size_t rows, const T *x,
                                const T *residual, T *y, GemmTileKernel<T> whole_tile, GemmTileKernel<T> four)
{
   constexpr std::size_t width = std::size_t(NV) * lanes<T>;
   const std::size_t whole = rows - rows % tuning::mr, prefetch_distance = prefetch_step(g, width, whole / tuning::mr);
   for (; o < end; o += width) {
      const T *next = g.panels + (o + width) * g.K;
      for (std::size_t row = 0; row < rows; row += row < whole ? tuning::mr : 4, next += prefetch_distance * g.K) {
         const auto tile = row < whole ? whole_tile : four;
         const std::size_t first = row < whole || row + 4 <= rows ? row : rows - 4;
         const std::size_t to = first * g.y_stride;
         tile(g, o, x + first * g.x_stride, residual_at(residual, to), y + to, row - first, next, prefetch_distance);
      }
   }
}

// GemmTiles for layers whose K is not split in four blocks, for layers where it is, and for any layer.
template <int NV, class T>
void gemm_tiles_no_split(const GemmProblem<T> &g, std::size_t o, std::size_t end, std::size_t rows, const T *x,
                         const T *residual, T *y)
{
   each_tile<NV>(g, o, end, rows, x, residual, y, gemm_tile<tuning::mr, NV, T>, gemm_tile<4, NV, T>);
}

template <int NV, class T>
void gemm_tiles_split_k(const GemmProblem<T> &g, std::size_t o, std::size_t end, std::size_t rows, const T *x,
                        const T *residual, T *y)
{
   if constexpr (splits_tiles)
      each_tile<NV>(g, o, end, rows, x, residual, y, gemm_split_k_tile<tuning::mr, NV, T>, gemm_split_k_tile<4, NV, T>);
   else
      gemm_tiles_no_split<NV>(g, o, end, rows, x, residual, y);
}

template <int NV, class T>
void gemm_tiles(const GemmProblem<T> &g, std::size_t o, std::size_t end, std::size_t rows, const T *x,
                const T *residual, T *y)
{
   const auto tiles = g.split.count == tuning::fma_chains ? gemm_tiles_split_k<NV, T> : gemm_tiles_no_split<NV, T>;
   tiles(g, o, end, rows, x, residual, y);
}

// Number of rows for tiles of mr_pair rows; the rest goes in tiles of four: eight rows as two of them, because six and
// four would be ten.
SOFIE_JIT_INLINE constexpr std::size_t panel_pair_rows(std::size_t rows)
{
   const std::size_t rest = rows % mr_pair;
   return rows - rest - (rows > mr_pair && rest && rest <= 2 ? mr_pair : 0);
}

// The same with two panels at a time; does nothing where there are too few registers.
template <class T>
void gemm_pairs(const GemmProblem<T> &g, std::size_t o, std::size_t end, std::size_t rows, const T *x,
                const T *residual, T *y)
{
   if constexpr (has_panel_pairs) {
      constexpr std::size_t width = 2 * nr<T>;
      const std::size_t whole = panel_pair_rows(rows);
      const std::size_t prefetch_distance = prefetch_step(g, width, whole / mr_pair + (rows - whole + 3) / 4);
      for (; o < end; o += width) {
         const T *next = g.panels + (o + width) * g.K;
         for (std::size_t row = 0; row < whole; row += mr_pair, next += prefetch_distance * g.K) {
            const std::size_t to = row * g.y_stride;
            gemm_tile<mr_pair, 4>(g, o, x + row * g.x_stride, residual_at(residual, to), y + to, 0, next,
                                  prefetch_distance);
         }
         for (std::size_t row = whole; row < rows; row += 4, next += prefetch_distance * g.K) {
            const std::size_t first = row + 4 <= rows ? row : rows - 4, to = first * g.y_stride;
            gemm_tile<4, 4>(g, o, x + first * g.x_stride, residual_at(residual, to), y + to, row - first, next,
                            prefetch_distance);
         }
      }
   }
}

// ---- a single row

template <int NV, class T>
SOFIE_JIT_INLINE void row_panel(const GemmProblem<T> &g, std::size_t o, const T *x, const T *residual, T *y)
{
   Tile<T, 1, NV> sum;
   gemm_sum(sum, g, o, x, x, 0);
   SOFIE_JIT_UNROLL
   for (std::size_t j = 0; j < NV; ++j, o += lanes<T>)
      if (o < g.N)
         finish_vector(sum.v[0][j] + load(g.bias + o), residual_at(residual, o), y + o, g.N - o, g.epilogue);
}

// Panel by panel from output o on.
template <class T>
SOFIE_JIT_NOINLINE void row_panels(const GemmProblem<T> &g, std::size_t o, const T *x, const T *residual, T *y)
{
   for (; o + lanes<T> < g.N; o += nr<T>)
      row_panel<2>(g, o, x, residual, y);
   if (o < g.N)
      row_panel<1>(g, o, x, residual, y);
}

// Part i is the sum over `terms` terms of x + i * x_stride times the weights at w + i * w_stride, [terms][NV * lanes].
template <int NV, class T>
SOFIE_JIT_NOINLINE void row_chains(const T *x, std::size_t x_stride, const T *w, std::size_t w_stride,
                                   std::size_t terms, T *parts)
{
   Tile<T, tuning::fma_chains, NV> sum;
   sum.clear();
   sum.accumulate_rowwise(x, x_stride, w, w_stride, terms);
   sum.store_to(parts);
}

// Finishes up to `width` outputs from o on, from sums without bias.
template <class T>
SOFIE_JIT_INLINE void row_finish(const GemmProblem<T> &g, std::size_t o, const T *sums, std::size_t width,
                                 const T *residual, T *y)
{
   SOFIE_JIT_ROLLED
   for (const T *const end = sums + width; sums < end && o < g.N; sums += lanes<T>, o += lanes<T>)
      finish_vector(load(sums) + load(g.bias + o), residual_at(residual, o), y + o, g.N - o, g.epilogue);
}

// tuning::fma_chains panels at a time while enough are left; returns the number of outputs computed.
template <class T>
SOFIE_JIT_NOINLINE std::size_t row_panel_groups(const GemmProblem<T> &g, const T *x, const T *residual, T *y)
{
   constexpr std::size_t width = tuning::fma_chains * nr<T>;
   alignas(SOFIE_JIT_VECTOR_BYTES) T parts[width], sums[width];
   std::size_t o = 0;
   for (; o + width <= g.N; o += width) {
      for (std::size_t block = 0, k = 0; block < g.split.count; ++block, k += g.split.length) {
         const std::size_t terms = block + 1 < g.split.count ? g.split.length : g.K - k;
         const T *const w = g.panels + o * g.K + k * nr<T>;
         row_chains<2>(x + k, 0, w, g.K * nr<T>, terms, block ? parts : sums);
         SOFIE_JIT_ROLLED
         for (std::size_t j = 0; block && j < width; j += lanes<T>)
            store(sums + j, load(sums + j) + load(parts + j));
      }
      row_finish(g, o, sums, width, residual, y);
   }
   return o;
}

// Panel by panel, tuning::fma_chains blocks of k at a time.
template <class T>
SOFIE_JIT_NOINLINE void gemm_row_k_blocks(const GemmProblem<T> &g, const T *x, const T *residual, T *y)
{
   alignas(SOFIE_JIT_VECTOR_BYTES) T parts[tuning::fma_chains * nr<T>], sums[nr<T>];
   const std::size_t length = g.split.length, rest = g.split.count * length;
   for (std::size_t o = 0, width; o < g.N; o += width) {
      width = panel_end<T>(o, g.N) - o;
      const T *panel = g.panels + o * g.K;
      const auto sum = width == nr<T> ? row_chains<2, T> : row_chains<1, T>;
      for (std::size_t block = 0; block < g.split.count; block += tuning::fma_chains) {
         const std::size_t k = block * length;
         sum(x + k, length, panel + k * width, length * width, length, parts);
         SOFIE_JIT_ROLLED
         for (std::size_t j = 0; j < width; j += lanes<T>) {
            const T *const part = parts + j;
            vec<T> last = load(part + 3 * width);
            for (std::size_t r = rest; r < g.K && block + tuning::fma_chains == g.split.count; ++r)
               last = fma<T>(broadcast(x[r]), load(panel + r * width + j), last);
            const vec<T> first = block ? load(sums + j) + load(part) : load(part);
            store(sums + j, first + load(part + width) + load(part + 2 * width) + last);
         }
      }
      row_finish(g, o, sums, width, residual, y);
   }
}

// The panel of output o for a K that is split in four.
template <int NV, class T>
SOFIE_JIT_NOINLINE void row_split_k(const GemmProblem<T> &g, std::size_t o, const T *x, const T *residual, T *y)
{
   constexpr std::size_t width = NV * lanes<T>;
   const std::size_t length = g.split.length;
   const T *const weights = g.panels + o * g.K;
   Tile<T, tuning::fma_chains, NV> part;
   part.clear();
   part.accumulate_rowwise(x, length, weights, length * width, length);
   SOFIE_JIT_UNROLL
   for (int j = 0; j < NV; ++j, o += lanes<T>) {
      vec<T> last = part.v[tuning::fma_chains - 1][j];
      SOFIE_JIT_ROLLED
      for (std::size_t k = tuning::fma_chains * length; k < g.K; ++k)
         last = fma<T>(broadcast(x[k]), load(weights + k * width + j * lanes<T>), last);
      const vec<T> sum = part.v[0][j] + part.v[1][j] + part.v[2][j] + last;
      finish_vector(sum + load(g.bias + o), residual_at(residual, o), y + o, g.N - o, g.epilogue);
   }
}

// P panels from output o on for a K of one block: small layers, whose weights are in the first-level cache.
template <int P, int NV, class T>
SOFIE_JIT_NOINLINE void row_panel_short(const GemmProblem<T> &g, std::size_t o, const T *x, const T *residual, T *y)
{
   Tile<T, P, NV> sum;
   sum.clear();
   sum.accumulate_rowwise(x, 0, g.panels + o * g.K, g.K * NV * lanes<T>, g.K);
   SOFIE_JIT_UNROLL
   for (int i = 0; i < P; ++i)
      SOFIE_JIT_UNROLL
      for (int j = 0; j < NV; ++j, o += lanes<T>)
         finish_vector(sum.v[i][j] + load(g.bias + o), residual_at(residual, o), y + o, g.N - o, g.epilogue);
}

// All outputs from o on for such a K.
template <class T>
SOFIE_JIT_INLINE void row_panels_short(const GemmProblem<T> &g, std::size_t o, const T *x, const T *residual, T *y)
{
   constexpr std::size_t width = nr<T>, one = lanes<T>;
   for (; o + width + one < g.N; o += 2 * width)
      row_panel_short<2, 2>(g, o, x, residual, y);
   if (o + one < g.N) {
      row_panel_short<1, 2>(g, o, x, residual, y);
      o += width;
   }
   if (o < g.N)
      row_panel_short<1, 1>(g, o, x, residual, y);
}

// Outputs from which on panels are processed tuning::fma_chains at a time.
template <class T>
constexpr std::size_t wide_row = tuning::fma_chains * nr<T>;

// A single row of a layer with four blocks of k, with one block and few outputs, with several blocks, and of any layer.
// Panels: the widths of panels that occur: 1 for one vector, 2 for two, 3 for both.
template <int Panels, class T>
void gemm_row_split_k(const GemmProblem<T> &g, const T *x, const T *residual, T *y)
{
   std::size_t o = 0;
   if constexpr (Panels & 2)
      for (; o + lanes<T> < g.N; o += nr<T>)
         row_split_k<2>(g, o, x, residual, y);
   if constexpr (Panels & 1)
      if (o < g.N)
         row_split_k<1>(g, o, x, residual, y);
}

template <class T>
void gemm_row_short(const GemmProblem<T> &g, const T *x, const T *residual, T *y)
{
   row_panels_short(g, 0, x, residual, y);
}

template <class T>
void gemm_row_long(const GemmProblem<T> &g, const T *x, const T *residual, T *y)
{
   row_panels(g, g.N < wide_row<T> ? 0 : row_panel_groups(g, x, residual, y), x, residual, y);
}

template <class T>
void gemm_row(const GemmProblem<T> &g, const T *x, const T *residual, T *y)
{
   if (g.split.count == tuning::fma_chains)
      gemm_row_split_k<3>(g, x, residual, y);
   else if (g.split.count && g.split.count % tuning::fma_chains == 0)
      gemm_row_k_blocks(g, x, residual, y);
   else if (g.split.count == 1)
      row_panels_short(g, g.N < wide_row<T> ? 0 : row_panel_groups(g, x, residual, y), x, residual, y);
   else
      gemm_row_long(g, x, residual, y);
}

// ---- all rows

// Tiles of four rows, and single rows; but three rows, or two of layers that are not tiny, take longer than a tile of
// four and are computed as one.
template <class T>
void gemm_rows(const GemmProblem<T> &g, std::size_t rows, const T *x, const T *residual, T *y)
{
   if (rows > 1 && g.kernels.sparse && g.kernels.sparse(g, rows, x, residual, y))
      return;
   // Single rows would read all weights again if these do not stay in the cache, and some products have no function for
   // them.
   const bool single_rows = g.kernels.row && (g.keeps_weights() || rows < 4);
   const std::size_t rest = rows % tuning::mr % 4, remainder = g.N % nr<T>;
   const std::size_t fours = single_rows && (rows < 4 || rest <= (g.tiny() ? 2 : 1)) ? rows - rest : rows;
   if (fours) {
      const std::size_t wide = remainder <= std::size_t(lanes<T>) ? g.N - remainder : g.N;
      const std::size_t paired = has_panel_pairs && g.kernels.pairs ? wide - wide % (2 * nr<T>) : 0;
      if (paired)
         g.kernels.pairs(g, 0, paired, fours, x, residual, y);
      if (paired < wide)
         g.kernels.wide(g, paired, wide, fours, x, residual, y);
      if (wide < g.N)
         g.kernels.narrow(g, wide, g.N, fours, x, residual, y);
   }
   for (std::size_t row = fours; row < rows; ++row)
      g.kernels.row(g, x + row * g.x_stride, residual_at(residual, row * g.y_stride), y + row * g.y_stride);
}

template <class T>
SOFIE_JIT_NOINLINE void gemm_blocks(const GemmProblem<T> &g, std::size_t rows, const T *x, const T *residual, T *y)
{
   const std::size_t mc = gemm_mc(g, rows);
   for (std::size_t first = 0; first < rows; first += mc) {
      const std::size_t block = rows - first < mc ? rows - first : mc;
      T *const to = y + first * g.y_stride;
      gemm_rows(g, block, x + first * g.x_stride, residual_at(residual, first * g.y_stride), to);
      if (!g.epilogue.function)
         continue;
      if (g.N == g.y_stride)
         g.epilogue.function(block * g.N, to, to);
      else
         for (std::size_t row = 0; row < block; ++row)
            g.epilogue.function(g.N, to + row * g.y_stride, to + row * g.y_stride);
   }
}

template <class T>
void gemm(std::size_t rows, std::size_t K, std::size_t N, const T *x, const T *panels, const T *bias, const T *residual,
          T *y, const Epilogue<T> &epilogue, const GemmMicrokernels<T> &kernels)
{
   const GemmProblem<T> g{
      K, N, K, N, panels, bias, epilogue, split_k(K, N, kernels), output_exceeds_cache<T>(rows, N), kernels};
   if (rows == 1 && !epilogue.function)
      kernels.row(g, x, residual, y); // a small layer takes no longer than the decisions in gemm_blocks
   else
      gemm_blocks(g, rows, x, residual, y);
}

template <class T>
SOFIE_JIT_INLINE void gemm(std::size_t rows, std::size_t K, std::size_t N, const T *x, const T *panels, const T *bias,
                           const T *residual, T *y, const Epilogue<T> &epilogue)
{
   gemm(rows, K, N, x, panels, bias, residual, y, epilogue, gemm_microkernels<T>);
}

// gemm<T> as a pointer, for kernels that are compiled separately from it.
template <class T>
using GemmFunction = void (*)(std::size_t rows, std::size_t K, std::size_t N, const T *x, const T *panels,
                              const T *bias, const T *residual, T *y, const Epilogue<T> &epilogue);

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
