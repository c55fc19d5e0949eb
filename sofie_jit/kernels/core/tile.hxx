// The register tile of all dense kernels: MR rows of input times NR = NV vectors of outputs, accumulated in registers.
// codegen/tuning.py defines and explains the sizes, tuning::mr and tuning::nv.
//
// Weights are packed into panels of NV vectors of adjacent outputs, [K][NV * lanes], so that a step over k reads them
// in order and multiplies each with one broadcast element of every row. A tile may use two panels at once.
//
// The sum of each output over k runs in this order for any MR: k ascending in blocks of tuning::kc terms, each block
// starting from zero with fma, and the blocks added in order.
#ifndef SOFIE_JIT_TILE_HXX
#define SOFIE_JIT_TILE_HXX

#include "core/simd.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// Outputs of a panel.
template <class T>
constexpr std::size_t nr = tuning::nv * lanes<T>;
static_assert(nr<float> <= tuning::max_nr, "scratch memory for panels is planned with max_nr");

// Tiles of half as many rows times two panels have as many accumulators: a step over k then needs 10 loads instead of
// 14, which matters if another hardware thread shares the core (ResNet50's 1 x 1 convolutions take 0.9 to 0.95 times as
// long). Needs 32 registers.
constexpr bool has_panel_pairs = SOFIE_JIT_VECTOR_BYTES == 64;
constexpr int mr_pair = tuning::mr / 2;

// The memory that a step over k prefetches: none; the weights that are needed `prefetch_steps` steps later; or these
// and a part of the next panel.
enum class Prefetch { none, ahead, next_panel };
constexpr int prefetch_steps = 16;

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

   // v[i] += a[i * a_stride + k] * panel[k] for k < kc. Panels are Width vectors wide; the second of two is
   // `panel_stride` elements behind the first. With Prefetch::next_panel each step over k prefetches `next_panel`,
   // which then advances by `prefetch_distance` elements.
   template <Prefetch F = Prefetch::ahead, int Width = NV>
   SOFIE_JIT_INLINE void accumulate(const T *a, std::size_t a_stride, const T *panel, std::size_t kc,
                                    std::size_t panel_stride = 0, const T *next_panel = nullptr,
                                    std::size_t prefetch_distance = 0)
   {
      const T *rows[MR];
      SOFIE_JIT_UNROLL
      for (int i = 0; i < MR; ++i)
         rows[i] = a + std::size_t(i) * a_stride;
      accumulate_indirect<F, Width>(rows, 0, panel, kc, panel_stride, next_panel, prefetch_distance);
   }

   // The same for rows at arbitrary addresses: v[i] += rows[i][begin + k] * panel[k] for k < kc. It uses one running
   // pointer and the distances of the other rows from it: with MR pointers and a counter, x86-64 would be two registers
   // short.
   template <Prefetch F = Prefetch::ahead, int Width = NV>
   SOFIE_JIT_INLINE void accumulate_indirect(const T *const (&rows)[MR], std::size_t begin, const T *panel,
                                             std::size_t kc, std::size_t panel_stride = 0,
                                             const T *next_panel = nullptr, std::size_t prefetch_distance = 0)
   {
      std::intptr_t distance[MR];
      SOFIE_JIT_UNROLL
      for (int i = 0; i < MR; ++i)
         distance[i] = reinterpret_cast<std::intptr_t>(rows[i]) - reinterpret_cast<std::intptr_t>(rows[0]);
      const char *at = reinterpret_cast<const char *>(rows[0] + begin);
      const char *const end = at + kc * sizeof(T);
      for (; at != end; at += sizeof(T), panel += Width * lanes<T>) {
         if constexpr (F == Prefetch::next_panel) {
            __builtin_prefetch(next_panel, 0, 2); // into the second level: the first one holds the inputs
            next_panel += prefetch_distance;
         }
         asm("" : "+r"(at)); // otherwise the compiler turns it back into pointers and a counter
         vec<T> w[NV];
         SOFIE_JIT_UNROLL
         for (int j = 0; j < NV; ++j) {
            const T *const from = panel + std::size_t(j / Width) * panel_stride + j % Width * lanes<T>;
            w[j] = load(from);
            if constexpr (F != Prefetch::none)
               __builtin_prefetch(from + prefetch_steps * Width * lanes<T>); // prefetching beyond the end is harmless
         }
         SOFIE_JIT_UNROLL
         for (int i = 0; i < MR; ++i) {
            const vec<T> x = broadcast(*reinterpret_cast<const T *>(at + distance[i]));
            SOFIE_JIT_UNROLL
            for (int j = 0; j < NV; ++j)
               v[i][j] = fma<T>(x, w[j], v[i][j]);
         }
      }
   }

   // Stores to, and adds from, memory of the size of a tile.
   SOFIE_JIT_INLINE void store_to(T *memory) const
   {
      SOFIE_JIT_UNROLL
      for (int i = 0; i < MR; ++i)
         SOFIE_JIT_UNROLL
         for (int j = 0; j < NV; ++j)
            store(memory + std::size_t((i * NV + j) * lanes<T>), v[i][j]);
   }

   SOFIE_JIT_INLINE void add(const T *memory)
   {
      SOFIE_JIT_UNROLL
      for (int i = 0; i < MR; ++i)
         SOFIE_JIT_UNROLL
         for (int j = 0; j < NV; ++j)
            v[i][j] = v[i][j] + load(memory + std::size_t((i * NV + j) * lanes<T>));
   }

   // v[i] += x[i * x_stride + k] * w[i * w_stride + k * NV * lanes] for k < kc: every row has its own weights.
   SOFIE_JIT_INLINE void accumulate_rowwise(const T *x, std::size_t x_stride, const T *w, std::size_t w_stride,
                                            std::size_t kc)
   {
      const T *const end = x + kc;
      for (; x != end; ++x, w += NV * lanes<T>) {
         asm("" : "+r"(x), "+r"(w));
         SOFIE_JIT_UNROLL
         for (int i = 0; i < MR; ++i) {
            const vec<T> value = broadcast(x[std::size_t(i) * x_stride]);
            SOFIE_JIT_UNROLL
            for (int j = 0; j < NV; ++j)
               v[i][j] = fma<T>(value, load(w + std::size_t(i) * w_stride + j * lanes<T>), v[i][j]);
         }
      }
   }
};

// The operations after the bias has been added: a residual of the result's shape is added (unless it is null), values
// below `low` become `low`, values above `high` become `high`, and `function` (unless it is null) is applied to blocks
// of results while they are in the cache. NaN stays.
template <class T>
struct Epilogue {
   T low, high;
   void (*function)(std::size_t n, const T *x, T *y);
};

template <class T>
constexpr T infinity = std::numeric_limits<T>::infinity();

template <class T>
constexpr Epilogue<T> no_epilogue{-infinity<T>, infinity<T>, nullptr};

// The residual of y + o; null if there is no residual.
template <class T>
SOFIE_JIT_INLINE const T *residual_at(const T *residual, std::size_t o)
{
   return residual ? residual + o : residual;
}

template <class T>
SOFIE_JIT_INLINE void finish_vector(vec<T> sum, const T *residual, T *y, std::size_t n, const Epilogue<T> &epilogue)
{
   const vec<T> low = broadcast(epilogue.low), high = broadcast(epilogue.high);
   if (residual)
      sum = sum + load_n(residual, n);
   sum = select<T>(sum < low, low, sum);
   sum = select<T>(sum > high, high, sum);
   if (n >= std::size_t(lanes<T>))
      store(y, sum); // the next layer reads it soon, and loads cannot be forwarded from a masked store
   else
      store_n(y, sum, n);
}

// Finishes sums in memory, rows of `width`.
template <class T>
SOFIE_JIT_NOINLINE void finish_rows(const T *sums, std::size_t rows, std::size_t width, const T *bias,
                                    const T *residual, T *y, std::size_t y_stride, std::size_t n,
                                    const Epilogue<T> &epilogue)
{
   SOFIE_JIT_ROLLED
   for (std::size_t i = 0; i < rows; ++i)
      SOFIE_JIT_ROLLED
      for (std::size_t j = 0; j < width && j < n; j += lanes<T>) {
         const std::size_t to = i * y_stride + j;
         const vec<T> sum = load(sums + i * width + j) + load(bias + j);
         finish_vector(sum, residual_at(residual, to), y + to, n - j, epilogue);
      }
}

constexpr bool masks = SOFIE_JIT_VECTOR_BYTES == 64; // whether a partial register can be stored by one instruction

// The common cases of finish_tile, with a lower bound, which may be infinite, or with both bounds; vector by vector:
// with all bounds of a tile at a time, the remaining sums would delay the next tile (12 rows of 32 to 32: 413 cycles
// instead of 400).
template <bool Residual, bool Both, int MR, int NV, class T>
SOFIE_JIT_INLINE void finish_vectors(const Tile<T, MR, NV> &sum, const T *bias, const T *residual, T *y,
                                     std::size_t y_stride, std::size_t n, const Epilogue<T> &epilogue)
{
   const vec<T> low = broadcast(epilogue.low), high = broadcast(epilogue.high);
   SOFIE_JIT_UNROLL
   for (int i = 0; i < MR; ++i)
      SOFIE_JIT_UNROLL
      for (int j = 0; j < NV; ++j) {
         const std::size_t to = std::size_t(i) * y_stride + std::size_t(j * lanes<T>);
         vec<T> v = sum.v[i][j] + load(bias + j * lanes<T>);
         if (Residual)
            v = v + load(residual + to);
         v = select<T>(v < low, low, v);
         if (Both)
            v = select<T>(v > high, high, v);
         if (NV == 1 && masks)
            store_n(y + to, v, n);
         else
            store(y + to, v);
      }
}

// Finishes a tile: adds the bias and applies the epilogue to min(n, width) outputs of all rows but the first `skip`.
// (Rare cases go through memory: branches on every vector would double the code.)
template <int MR, int NV, class T>
SOFIE_JIT_INLINE void finish_tile(const Tile<T, MR, NV> &sum, const T *bias, const T *residual, T *y,
                                  std::size_t y_stride, std::size_t n, const Epilogue<T> &epilogue,
                                  std::size_t skip = 0)
{
   constexpr std::size_t width = std::size_t(NV) * lanes<T>;
   constexpr bool large = NV > 2; // layers that repay compiling one more case
   if ((n >= width || (NV == 1 && masks)) && (large || !residual) && !skip) {
      if (large && residual)
         finish_vectors<true, true>(sum, bias, residual, y, y_stride, n, epilogue);
      else if (epilogue.high < infinity<T>)
         finish_vectors<false, true>(sum, bias, residual, y, y_stride, n, epilogue);
      else
         finish_vectors<false, false>(sum, bias, residual, y, y_stride, n, epilogue);
   } else {
      alignas(SOFIE_JIT_VECTOR_BYTES) T copy[MR * width];
      sum.store_to(copy);
      const std::size_t first = skip * y_stride;
      finish_rows(copy + skip * width, MR - skip, width, bias, residual_at(residual, first), y + first, y_stride, n,
                  epilogue);
   }
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
