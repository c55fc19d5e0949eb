// y[rows][N] = activation(x[rows][K] * W[K][N] + bias[N]), W packed once into panels (see tile.hxx).
//
// panels: [ceil(N / panel_width)][K][panel_width], the outputs past N zero. bias: padded to whole panels.
// Batches go in blocks of tile_rows rows per panel; what remains in blocks of 4 and single rows. The order of each
// output's sum depends on K alone, so a row's bits do not depend on the batch it came in.
#ifndef SOFIE_JIT_GEMM_HXX
#define SOFIE_JIT_GEMM_HXX

#include "activations.hxx"
#include "memory.hxx"
#include "tile.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

template <class T>
constexpr std::size_t panel_width = 2 * lanes<T>;

// W[k][n] = values[k * N + n], or values[n * K + k] if transposed; scaled by alpha.
template <class T>
SOFIE_JIT_COLD Buffer<T> pack_gemm(const T *values, std::size_t K, std::size_t N, bool transposed = false, T alpha = T(1))
{
   constexpr std::size_t width = panel_width<T>;
   const std::size_t panels = (N + width - 1) / width;
   Buffer<T> packed(panels * K * width);
   for (std::size_t n = 0; n < N; ++n)
      for (std::size_t k = 0; k < K; ++k)
         packed[(n / width * K + k) * width + n % width] = alpha * (transposed ? values[n * K + k] : values[k * N + n]);
   return packed;
}

// One number per output, padded with zeros to whole panels; null stands for all zeros.
template <class T>
SOFIE_JIT_COLD Buffer<T> pack_bias(const T *values, std::size_t N, T beta = T(1))
{
   constexpr std::size_t width = panel_width<T>;
   Buffer<T> packed((N + width - 1) / width * width);
   for (std::size_t n = 0; values && n < N; ++n)
      packed[n] = beta * values[n];
   return packed;
}

// A finished tile: bias, activation, and only the `n` outputs there are. (A narrow tile goes through memory, for a
// branch on every vector would double the code.)
template <int MR, int NV, class T, class Activation>
SOFIE_JIT_INLINE void finish_tile(const Tile<T, MR, NV> &sum, const T *bias, T *y, std::size_t stride, std::size_t n,
                                  const Activation &activation)
{
   constexpr std::size_t width = std::size_t(NV) * lanes<T>;
   alignas(SOFIE_JIT_VECTOR_BYTES) T narrow[MR * width];
   const bool whole = n >= width;
   T *out = whole ? y : narrow;
   const std::size_t step = whole ? stride : width;
   SOFIE_JIT_UNROLL
   for (int j = 0; j < NV; ++j) {
      const std::size_t at = std::size_t(j) * lanes<T>;
      const vec<T> b = load(bias + at);
      SOFIE_JIT_UNROLL
      for (int i = 0; i < MR; ++i)
         store(out + std::size_t(i) * step + at, activation.template apply<T>(sum.v[i][j] + b));
   }
   if (!whole)
      for (std::size_t i = 0; i < std::size_t(MR); ++i)
         for (std::size_t j = 0; j < n; ++j)
            y[i * stride + j] = narrow[i * width + j];
}

template <int MR, int NV, class T, class Activation>
void gemm_tile(const T *x, std::size_t K, const T *panel, const T *bias, T *y, std::size_t stride, std::size_t n,
               const Activation &activation)
{
   Tile<T, MR, NV> sum, before;
   for (std::size_t k = 0;; k += k_block) {
      sum.clear();
      sum.accumulate(x + k, K, panel + k * NV * lanes<T>, K - k < k_block ? K - k : k_block);
      if (k)
         sum.add(before);
      if (k + k_block >= K)
         break;
      before = sum;
   }
   finish_tile(sum, bias, y, stride, n, activation);
}

// All rows times one panel: `n` outputs (more than a panel's width counts as a whole panel) of N in a row of y.
template <class T, class Activation>
void gemm_panel(std::size_t rows, std::size_t K, std::size_t N, std::size_t n, const T *x, const T *panel,
                const T *bias, T *y, const Activation &activation)
{
   std::size_t row = 0;
   for (; row + tile_rows <= rows; row += tile_rows)
      gemm_tile<tile_rows, 2>(x + row * K, K, panel, bias, y + row * N, N, n, activation);
   for (; row + 4 <= rows; row += 4)
      gemm_tile<4, 2>(x + row * K, K, panel, bias, y + row * N, N, n, activation);
   for (; row < rows; ++row)
      gemm_tile<1, 2>(x + row * K, K, panel, bias, y + row * N, N, n, activation);
}

template <class T, class Activation>
void gemm(std::size_t rows, std::size_t K, std::size_t N, const T *x, const T *panels, const T *bias, T *y,
          const Activation &activation)
{
   for (std::size_t n = 0; n < N; n += panel_width<T>)
      gemm_panel(rows, K, N, N - n, x, panels + n * K, bias + n, y + n, activation);
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
