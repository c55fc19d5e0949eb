// Convolution of channels-last images with 3 x 3 taps and stride 1 by Winograd's minimal filtering F(2 x 2, 3 x 3),
// with bias and epilogue (tile.hxx):
//
//    Y = A^T [sum over c of (G g G^T) * (B^T d B)] A
//
// computes 2 x 2 outputs from the 4 x 4 inputs d beneath them with 16 instead of 36 products per channel. g are the 3 x
// 3 weights of one channel and output, * is the elementwise product, and
//
//         | 1  0 -1  0 |        | 1    0    0 |
//    B^T =| 0  1  1  0 |    G = | 1/2  1/2 1/2|   A^T = | 1 1  1  0 |
//         | 0 -1  1  0 |        | 1/2 -1/2 1/2|         | 0 1 -1 -1 |
//         | 0  1  0 -1 |        | 0    0    1 |
//
// The sums over c are sixteen gemms, one for each position of the 4 x 4 matrices, whose rows are tiles of 2 x 2 outputs
// of one or more images. Tiles are processed in blocks, so that the operands of the gemms stay in the cache.
//
// The weights are transformed in double precision and then rounded; images only take part in sums of four elements
// before the products and of nine after them. The bits of an output depend only on the inputs of its tile.
//
// Infinite inputs lead to differences of infinities, which are NaN, so outputs that are NaN are computed again from the
// definition. (An input does not contribute to outputs whose window it is outside of: it is not even subtracted there.)
#ifndef SOFIE_JIT_WINOGRAD_HXX
#define SOFIE_JIT_WINOGRAD_HXX

#include "gemm/gemm.hxx"
#include "core/window.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

struct WinogradShape {
   Window window;
   std::size_t C, O; // channels of input and output, multiples of 16

   // Outputs that are computed together: half of them if there are many weights, which two threads can then share.
   SOFIE_JIT_INLINE constexpr std::size_t output_group() const
   {
      return O % tuning::winograd_group_outputs || C * O < tuning::winograd_group_weights ? O : O / 2;
   }
   SOFIE_JIT_INLINE constexpr std::size_t rows() const { return (window.OH + 1) / 2; }
   SOFIE_JIT_INLINE constexpr std::size_t columns() const { return (window.OW + 1) / 2; }
   SOFIE_JIT_INLINE constexpr std::size_t tiles() const { return rows() * columns(); } // per image
};

// Distance between the matrices of two positions, whose rows are the tiles of a block (half a block more for the
// remainder of an image). The padding of a cache line keeps the positions from mapping to the same cache sets.
SOFIE_JIT_INLINE constexpr std::size_t winograd_stride(std::size_t channels)
{
   return tuning::winograd_tiles * 3 / 2 * channels + tuning::winograd_padding;
}

// Packs kernel[3][3][C][O] (Keras) or, if `oihw`, kernel[O][C][3][3] (ONNX) into panels[groups][16 positions][panels of
// pack_gemm, C x group].
template <class T>
SOFIE_JIT_COLD Buffer<T> pack_winograd(const T *kernel, std::size_t C, std::size_t O, bool oihw = false)
{
   const std::size_t group = WinogradShape{{}, C, O}.output_group(), size = C * group;
   Buffer<T> packed(16 * C * O);
   T *to = packed.data();
   for (std::size_t first = 0, end; first < O; first = end) {
      end = panel_end<T>(first, O);
      to += first && first % group == 0 ? 15 * size : 0;
      for (std::size_t c = 0; c < C; ++c)
         for (std::size_t o = first; o < end; ++o, ++to) {
            double g[3][4]; // rows of weights times G^T
            for (std::size_t h = 0; h < 3; ++h) {
               double w[3];
               for (std::size_t i = 0; i < 3; ++i) {
                  const std::size_t tap = h * 3 + i;
                  w[i] = double(kernel[oihw ? (o * C + c) * 9 + tap : (tap * C + c) * O + o]);
               }
               g[h][0] = w[0];
               g[h][1] = (w[0] + w[2] + w[1]) / 2;
               g[h][2] = (w[0] + w[2] - w[1]) / 2;
               g[h][3] = w[2];
            }
            for (std::size_t j = 0; j < 4; ++j) {
               to[j * size] = T(g[0][j]);
               to[(4 + j) * size] = T((g[0][j] + g[2][j] + g[1][j]) / 2);
               to[(8 + j) * size] = T((g[0][j] + g[2][j] - g[1][j]) / 2);
               to[(12 + j) * size] = T(g[2][j]);
            }
         }
   }
   return packed;
}

// Location of a tile: its image, and its first output row and column.
struct WinogradTile {
   std::size_t image, row, column;
};

SOFIE_JIT_INLINE constexpr WinogradTile winograd_tile(const WinogradShape &s, std::size_t tile)
{
   return {tile / s.tiles(), tile % s.tiles() / s.columns() * 2, tile % s.columns() * 2};
}

// Writes B^T d B to v, element (i, j) to position i * 4 + j; `zeros` replaces pixels outside the image.
template <class T>
SOFIE_JIT_INLINE void winograd_inputs(const WinogradShape &s, const WinogradTile &tile, const T *x, const T *zeros,
                                      T *v)
{
   const Window &w = s.window;
   const std::size_t step = winograd_stride(s.C);
   const T *d[4][4];
   SOFIE_JIT_ROLLED
   for (std::size_t i = 0; i < 4; ++i)
      SOFIE_JIT_ROLLED
      for (std::size_t j = 0; j < 4; ++j) { // indices before the image wrap around
         const std::size_t row = tile.row + i - w.PH, column = tile.column + j - w.PW;
         const bool inside = row < w.H && column < w.W;
         d[i][j] = inside ? x + ((tile.image * w.H + row) * w.W + column) * s.C : zeros;
      }
   SOFIE_JIT_ROLLED
   for (std::size_t c = 0; c < s.C; c += lanes<T>) {
      vec<T> t[4][4];
      SOFIE_JIT_UNROLL
      for (int j = 0; j < 4; ++j) {
         const vec<T> d0 = load(d[0][j] + c), d1 = load(d[1][j] + c), d2 = load(d[2][j] + c), d3 = load(d[3][j] + c);
         t[0][j] = d0 - d2;
         t[1][j] = d1 + d2;
         t[2][j] = d2 - d1;
         t[3][j] = d1 - d3;
      }
      SOFIE_JIT_UNROLL
      for (std::size_t i = 0; i < 4; ++i) {
         T *const position = v + i * 4 * step + c;
         store(position, t[i][0] - t[i][2]);
         store(position + step, t[i][1] + t[i][2]);
         store(position + 2 * step, t[i][2] - t[i][1]);
         store(position + 3 * step, t[i][1] - t[i][3]);
      }
   }
}

// A^T m A for a vector of outputs; the positions of m are `step` apart.
template <class T>
SOFIE_JIT_INLINE void winograd_sums(const T *m, std::size_t step, vec<T> (&sums)[2][2])
{
   vec<T> t[2][4];
   SOFIE_JIT_UNROLL
   for (std::size_t j = 0; j < 4; ++j) {
      const T *const position = m + j * step;
      const vec<T> m0 = load(position), m1 = load(position + 4 * step), m2 = load(position + 8 * step);
      t[0][j] = m0 + m1 + m2;
      t[1][j] = m1 - m2 - load(position + 12 * step);
   }
   SOFIE_JIT_UNROLL
   for (int i = 0; i < 2; ++i) {
      sums[i][0] = t[i][0] + t[i][1] + t[i][2];
      sums[i][1] = t[i][1] - t[i][2] - t[i][3];
   }
}

// Arguments of winograd().
template <class T>
struct Winograd {
   const WinogradShape &s;
   const T *x, *panels, *bias, *residual;
   T *y;
   const Epilogue<T> &epilogue;

   SOFIE_JIT_INLINE constexpr std::size_t output(const WinogradTile &pixel) const
   {
      return ((pixel.image * s.window.OH + pixel.row) * s.window.OW + pixel.column) * s.O;
   }
   SOFIE_JIT_INLINE void finish(vec<T> sum, std::size_t to, std::size_t o) const
   {
      finish_vector(sum + load(bias + o), residual_at(residual, to + o), y + to + o, lanes<T>, epilogue);
   }
};

// Writes the outputs of a tile for the group that starts at output `from`; `odd` becomes NaN if any of them is not
// finite.
template <class T>
SOFIE_JIT_INLINE void winograd_outputs(const Winograd<T> &g, const WinogradTile &tile, std::size_t from, const T *m,
                                       vec<T> &odd)
{
   const WinogradShape &s = g.s;
   const std::size_t group = s.output_group();
   const std::size_t rows = s.window.OH - tile.row, columns = s.window.OW - tile.column, to = g.output(tile);
   SOFIE_JIT_ROLLED
   for (std::size_t o = 0; o < group; o += lanes<T>) {
      vec<T> sums[2][2];
      winograd_sums(m + o, winograd_stride(group), sums);
      const vec<T> all = (sums[0][0] + sums[0][1]) + (sums[1][0] + sums[1][1]);
      odd = odd + (all - all);
      SOFIE_JIT_UNROLL
      for (std::size_t i = 0; i < 2; ++i)
         SOFIE_JIT_UNROLL
         for (std::size_t j = 0; j < 2; ++j)
            if (i < rows && j < columns)
               g.finish(sums[i][j], to + (i * s.window.OW + j) * s.O, from + o);
   }
   SOFIE_JIT_ROLLED
   for (std::size_t position = 0; g.epilogue.function && position < 4; ++position) {
      T *const y = g.y + to + (position / 2 * s.window.OW + position % 2) * s.O + from;
      if (position / 2 < rows && position % 2 < columns)
         g.epilogue.function(group, y, y);
   }
}

// A vector of sums of one pixel from the definition. Only the transformed weights are available; along each axis the
// original ones are u0, u1 - u2, u3.
template <class T>
SOFIE_JIT_ONCE void winograd_direct(const Winograd<T> &g, const WinogradTile &pixel, std::size_t o, T *sums)
{
   constexpr T inverse[3][4] = {{1, 0, 0, 0}, {0, 1, -1, 0}, {0, 0, 0, 1}};
   const WinogradShape &s = g.s;
   const Window &w = s.window;
   const std::size_t first = o / nr<T> * nr<T>, width = panel_end<T>(first, s.O) - first;
   const std::size_t group = s.output_group(), before = first / group * group;
   const T *const panel = g.panels + (15 * before + first) * s.C;
   vec<T> sum = {};
   for (std::size_t tap = 0; tap < 9; ++tap) {
      const std::size_t row = pixel.row + tap / 3 - w.PH, column = pixel.column + tap % 3 - w.PW;
      if (row >= w.H || column >= w.W)
         continue;
      const T *const x = g.x + ((pixel.image * w.H + row) * w.W + column) * s.C;
      for (std::size_t c = 0; c < s.C; ++c) {
         if (x[c] != x[c]) { // then so is the sum
            store(sums, broadcast(x[c]));
            return;
         }
         const T *const u = panel + c * width + (o - first);
         vec<T> weight = {};
         for (std::size_t position = 0; position < 16; ++position)
            weight = fma<T>(broadcast(inverse[tap / 3][position / 4] * inverse[tap % 3][position % 4]),
                            load(u + position * s.C * group), weight);
         sum = fma<T>(broadcast(x[c]), weight, sum);
      }
   }
   store(sums, sum);
}

// Writes the outputs of a tile for one group again; those that are NaN are computed from the definition.
template <class T>
SOFIE_JIT_ONCE void winograd_recompute(const Winograd<T> &g, const WinogradTile &tile, std::size_t from, const T *m)
{
   const WinogradShape &s = g.s;
   for (std::size_t position = 0; position < 4; ++position) {
      const WinogradTile pixel{tile.image, tile.row + position / 2, tile.column + position % 2};
      if (pixel.row >= s.window.OH || pixel.column >= s.window.OW)
         continue;
      const std::size_t to = g.output(pixel);
      for (std::size_t o = 0; o < s.output_group(); o += lanes<T>) {
         vec<T> sums[2][2];
         winograd_sums(m + o, winograd_stride(s.output_group()), sums);
         alignas(SOFIE_JIT_VECTOR_BYTES) T sum[lanes<T>], exact[lanes<T>];
         store(sum, sums[position / 2][position % 2]);
         winograd_direct(g, pixel, from + o, exact);
         for (int i = 0; i < lanes<T>; ++i)
            sum[i] = sum[i] == sum[i] ? sum[i] : exact[i];
         g.finish(load(sum), to, from + o);
      }
      if (g.epilogue.function)
         g.epilogue.function(s.output_group(), g.y + to + from, g.y + to + from);
   }
}

// Tiles `first` to `last` of a batch (s.tiles() per image) and groups of outputs from `from` to before `to`. panels
// from pack_winograd, bias from pack_bias. scratch: the transformed inputs of all 16 positions, the products of all
// positions, and C + output_group() zeros. `gemm` is gemm<T>, passed as a pointer so that it is compiled separately.
template <class T>
SOFIE_JIT_NOINLINE void winograd(std::size_t first, std::size_t last, std::size_t from, std::size_t to,
                                 const WinogradShape &s, const T *x, const T *panels, const T *bias, const T *residual,
                                 T *y, T *scratch, const Epilogue<T> &epilogue, GemmFunction<T> gemm)
{
   const std::size_t in = winograd_stride(s.C), group = s.output_group(), out = winograd_stride(group);
   T *const v = scratch, *const m = v + 16 * in, *const zeros = m + 16 * out;
   std::memset(static_cast<void *>(zeros), 0, (s.C + group) * sizeof(T));
   const Winograd<T> g{s, x, panels, bias, residual, y, epilogue};
   for (std::size_t count; first < last; first += count) {
      const std::size_t left = last - first;
      count = left < tuning::winograd_tiles * 3 / 2 ? left : tuning::winograd_tiles;
      SOFIE_JIT_ROLLED
      for (std::size_t i = 0; i < count; ++i)
         winograd_inputs(s, winograd_tile(s, first + i), x, zeros, v + i * s.C);
      const std::size_t fours = (count + 3) / 4 * 4; // single rows would read all weights again
      SOFIE_JIT_ROLLED
      for (std::size_t position = 0; position < 16; ++position)
         std::memset(static_cast<void *>(v + position * in + count * s.C), 0, (fours - count) * s.C * sizeof(T));
      SOFIE_JIT_ROLLED
      for (std::size_t o = from; o < to; o += group) {
         SOFIE_JIT_ROLLED
         for (std::size_t position = 0; position < 16; ++position)
            gemm(fours, s.C, group, v + position * in, panels + (16 * o + position * group) * s.C, zeros, nullptr,
                 m + position * out, no_epilogue<T>);
         vec<T> odd = {};
         SOFIE_JIT_ROLLED
         for (std::size_t i = 0; i < count; ++i)
            winograd_outputs(g, winograd_tile(s, first + i), o, m + i * group, odd);
         alignas(SOFIE_JIT_VECTOR_BYTES) T lane[lanes<T>];
         store(lane, odd);
         T sum = 0;
         for (const T value : lane)
            sum += value;
         if (sum != sum)
            for (std::size_t i = 0; i < count; ++i)
               winograd_recompute(g, winograd_tile(s, first + i), o, m + i * group);
      }
   }
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
