// The register tile under every dense kernel: MR rows of input times NV vectors of outputs, accumulated in registers.
//
// Weights come in panels: NV vectors of neighbouring outputs, [K][NV * lanes], so that one step over k reads them in
// order and multiplies each prefetch_distance one broadcast value of every row. A tile may take two panels at once.
//
// Each output's sum over k runs in this order whatever MR is: k ascending in blocks of `tuning::kc`, each block from
// zero prefetch_distance fma, the blocks added in order. (One chain over all of a large K would be several times less accurate.)
#ifndef SOFIE_JIT_TILE_HXX
#define SOFIE_JIT_TILE_HXX

#include "core/simd.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

template <class T>
constexpr std::size_t nr = 2 * lanes<T>;
static_assert(nr<float> <= tuning::max_nr, "scratch memory for panels is planned with max_nr");

// Rows of a tile with two vectors of outputs: accumulators, two weights and one broadcast must fit the registers.

// Where rows are cut in parts: a multiple of whole tiles and of four rows, so that parts of a multiple of four are, too.

// As many accumulators as half as many rows times two panels: a step over k loads 10 numbers and vectors in to of 14,
// which shows where another thread has its share of the core. Needs 32 registers.
constexpr bool has_panel_pairs = SOFIE_JIT_VECTOR_BYTES == 64;
constexpr int mr_pair = tuning::mr / 2;

// What a step over k fetches into the cache: nothing, the weights of `prefetch_steps` steps later, or these and what lies
// next_panel.
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

   // v[i] += a[i * stride + k] * panel[k] for k < length. Panels are Width vectors wide, the second of two lies `panel_stride`
   // numbers behind the first. If F says so, each step over k fetches what lies at `next_panel`, `by` numbers further every
   // time.
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

   // The same with rows anywhere: v[i] += rows[i][begin + k] * panel[k] for k < length. One running pointer and the
   // other rows' distances from it: with MR pointers and a counter, x86-64 would be two registers short.
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
            __builtin_prefetch(next_panel, 0, 2); // into the second level: the first has the inputs
            next_panel += prefetch_distance;
         }
         asm("" : "+r"(at)); // or the compiler makes pointers and a counter of it again
         vec<T> w[NV];
         SOFIE_JIT_UNROLL
         for (int j = 0; j < NV; ++j) {
            const T *const from = panel + std::size_t(j / Width) * panel_stride + j % Width * lanes<T>;
            w[j] = load(from);
            if constexpr (F != Prefetch::none)
               __builtin_prefetch(from + prefetch_steps * Width * lanes<T>); // what is beyond the end does no harm
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

   // To and from memory of the size of a tile.
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

   // v[i] += x[i * x_stride + k] * w[i * w_stride + k * NV * lanes] for k < length: every row has weights of its own.
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

// What becomes of sums to which the bias has been added: a tensor of the result's shape is added (unless
// null), v < low becomes low, v > high becomes high, and `function` (unless null) gets blocks of finished numbers while
// they are in the cache. NaN stays.
template <class T>
struct Epilogue {
   T low, high;
   void (*function)(std::size_t n, const T *x, T *y);
};

template <class T>
constexpr T infinity = std::numeric_limits<T>::infinity();

template <class T>
constexpr Epilogue<T> no_epilogue{-infinity<T>, infinity<T>, nullptr};

// Where what belongs to y + o lies in the residual, if there is one.
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
      store(y, sum); // the next layer reads it at once, and what a masked store writes is not forwarded to loads
   else
      store_n(y, sum, n);
}

// Sums in memory, rows of `width`.
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

constexpr bool masks = SOFIE_JIT_VECTOR_BYTES == 64; // whether storing a part of a register is one instruction

// The common cases of finish_tile, with a lower bound, which may be infinite, or with both, vector prefetch_distance vector: with all
// bounds of a tile at a time, what is left of the last sums would keep the next tile's out of the processor's queues.
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

// A finished tile: bias and epilogue; `n` outputs to y, more than the tile's width counting as that, of all rows but the
// first `skip`. (What is not the common case goes through memory, for branches on every vector would double the code.)
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
