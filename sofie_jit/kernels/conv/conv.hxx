// Direct convolution of channels-last images in one, two or three dimensions, with bias and epilogue (tile.hxx):
//
//    y[b][od][oh][ow][o] = epilogue(bias[o] + sum over kd, kh, kw, c of
//                          x[b][od * SD + kd * DD - PD][...][...][c] * kernel[kd][kh][kw][c][o])
//
// With groups, output o of group g = o / (O / groups) depends on the C / groups channels of group g only.
//
// A register tile computes MR output pixels, from one image row or several, times NV vectors of outputs. The inputs of
// a pixel's window are described by a list of runs of adjacent elements, which is the same for all pixels: a whole
// kernel row (KW * C elements) where taps are adjacent in memory, otherwise the channels of one tap.
//
// Output rows are processed in strips that are small enough for their inputs to stay in the cache while all panels of
// weights pass over them. Where windows reach beyond the image, the inputs of a strip are first copied to scratch
// memory and padded with zeros.
//
// Sums run over [kd][kh][kw][c] in the order of tile.hxx. Tiles and strips that do not divide the image evenly overlap;
// some pixels are then computed twice, with the same bits.
#ifndef SOFIE_JIT_CONV_HXX
#define SOFIE_JIT_CONV_HXX

#include "gemm/gemm.hxx"
#include "core/window.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

struct ConvShape {
   Window window;
   std::size_t C, O, groups; // channels of input and output, over all groups
   std::size_t strip;        // output rows of a strip, at most OH
   // range of outputs to compute in each group; `from` is the first of a panel
   std::size_t from = 0, to = std::size_t(-1);

   SOFIE_JIT_INLINE constexpr std::size_t group_inputs() const { return C / groups; }
   SOFIE_JIT_INLINE constexpr std::size_t group_outputs() const { return O / groups; }
   SOFIE_JIT_INLINE constexpr std::size_t K() const { return window.taps() * group_inputs(); }
};

// A run of adjacent elements of a window, `offset` elements behind its first.
struct ConvRun {
   std::size_t offset, length;
};

SOFIE_JIT_INLINE constexpr std::size_t div_up(std::size_t a, std::size_t b)
{
   return (a + b - 1) / b;
}

// Elements of the packed panels of one group. The last panel is one vector wide if that is enough.
template <class T>
SOFIE_JIT_INLINE constexpr std::size_t conv_group_size(const ConvShape &s)
{
   return div_up(s.group_outputs(), lanes<T>) * lanes<T> * s.K();
}

// Packs kernel[KD][KH][KW][C / groups][O] (Keras) or, if `oihw`, kernel[O][C / groups][KD][KH][KW] (ONNX) into
// panels[group][panel][K][width]. Outputs beyond the last of a group are zero.
template <class T>
SOFIE_JIT_COLD Buffer<T> pack_conv(const T *kernel, const ConvShape &s, bool oihw = false)
{
   const std::size_t K = s.K(), outputs = s.group_outputs(), channels = s.group_inputs(), taps = s.window.taps();
   Buffer<T> packed(s.groups * conv_group_size<T>(s));
   for (std::size_t g = 0; g < s.groups; ++g) {
      T *group = packed.data() + g * conv_group_size<T>(s);
      for (std::size_t n = 0; n < outputs; n += nr<T>) {
         const std::size_t width = outputs - n <= lanes<T> ? lanes<T> : nr<T>;
         for (std::size_t k = 0; k < K; ++k)
            for (std::size_t i = 0; i < width && n + i < outputs; ++i) {
               const std::size_t o = g * outputs + n + i;
               group[n * K + k * width + i] =
                  oihw ? kernel[(o * channels + k % channels) * taps + k / channels] : kernel[k * s.O + o];
            }
      }
   }
   return packed;
}

// Layout of a strip's input: that of the image, or of the padded copy.
struct ConvSource {
   std::size_t plane, row; // distance between adjacent planes and rows of taps
};

SOFIE_JIT_INLINE constexpr ConvSource conv_source(const ConvShape &s)
{
   const Window &w = s.window;
   if (!w.padded())
      return {w.DD * w.H * w.W * s.C, w.W * s.C};
   const std::size_t row = w.columns_under(w.OW) * s.C;
   return {w.rows_under(s.strip) * row, row};
}

// Elements of T of the padded copy of a strip; 0 if windows stay inside the image.
SOFIE_JIT_INLINE constexpr std::size_t conv_copy_size(const ConvShape &s)
{
   return s.window.padded() ? align_up(s.window.KD * conv_source(s).plane) : 0;
}

// Calls f(run) for each run of adjacent elements of the window. Runs are split where a block of tuning::kc terms ends.
template <class F>
SOFIE_JIT_INLINE void each_run(const ConvShape &s, const F &f)
{
   const Window &w = s.window;
   const ConvSource source = conv_source(s);
   const bool whole_rows = w.DW == 1 && s.groups == 1;
   const std::size_t length = whole_rows ? w.KW * s.C : s.group_inputs();
   std::size_t k = 0;
   for (std::size_t kd = 0; kd < w.KD; ++kd)
      for (std::size_t kh = 0; kh < w.KH; ++kh)
         for (std::size_t kw = 0; kw < (whole_rows ? 1 : w.KW); ++kw) {
            const std::size_t offset = kd * source.plane + kh * w.DH * source.row + kw * w.DW * s.C;
            for (std::size_t at = 0; at < length;) {
               const std::size_t left = tuning::kc - k % tuning::kc, n = length - at < left ? length - at : left;
               f(ConvRun{offset + at, n});
               at += n;
               k += n;
            }
         }
}

// Writes the list of runs; returns their number.
inline std::size_t list_runs(const ConvShape &s, ConvRun *runs)
{
   std::size_t count = 0;
   each_run(s, [&](const ConvRun &run) SOFIE_JIT_INLINED { runs[count++] = run; });
   return count;
}

// Copies the input of the strip that starts at output row `oh` of output plane `od`, with zeros outside the image.
template <class T>
void conv_copy(const ConvShape &s, const T *x, std::size_t od, std::size_t oh, T *copy)
{
   const Window &w = s.window;
   const std::size_t columns = w.columns_under(w.OW), rows = w.rows_under(s.strip), left = w.PW * s.C;
   const std::size_t inside = (w.PW + w.W < columns ? w.W : columns - w.PW) * s.C, row = columns * s.C;
   for (std::size_t kd = 0; kd < w.KD; ++kd) {
      const std::size_t d = od * w.SD + kd * w.DD - w.PD;
      for (std::size_t r = 0; r < rows; ++r, copy += row) {
         const std::size_t h = oh * w.SH + r - w.PH;
         if (d < w.D && h < w.H) { // indices before the image wrap around to large numbers
            std::memset(static_cast<void *>(copy), 0, left * sizeof(T));
            std::memcpy(static_cast<void *>(copy + left), x + (d * w.H + h) * w.W * s.C, inside * sizeof(T));
            std::memset(static_cast<void *>(copy + left + inside), 0, (row - left - inside) * sizeof(T));
         } else
            std::memset(static_cast<void *>(copy), 0, row * sizeof(T));
      }
   }
}

template <int MR, int NV, class T>
void conv_tile(const T *const *pixels, const ConvRun *runs, std::size_t count, const T *panel, const T *bias,
               const T *residual, T *y, std::size_t y_stride, std::size_t n, const Epilogue<T> &epilogue)
{
   const T *x[MR];
   SOFIE_JIT_UNROLL
   for (int i = 0; i < MR; ++i)
      x[i] = pixels[i];
   alignas(SOFIE_JIT_VECTOR_BYTES) T previous[MR * NV * lanes<T>];
   Tile<T, MR, NV> sum;
   sum.clear();
   std::size_t k = 0;
   bool later = false; // whether there is a previous block
   for (const ConvRun *run = runs; run != runs + count; ++run) {
      if (k == tuning::kc) {
         if (later)
            sum.add(previous);
         sum.store_to(previous);
         // Without the fence the compiler keeps `previous` in registers and has none left for the loop.
         asm("" : : "r"(previous) : "memory");
         sum.clear();
         later = true;
         k = 0;
      }
      sum.accumulate_indirect(x, run->offset, panel, run->length);
      panel += run->length * NV * lanes<T>;
      k += run->length;
   }
   if (later)
      sum.add(previous);
   finish_tile(sum, bias, residual, y, y_stride, n, epilogue);
}

// One panel of weights over all pixels of a strip.
template <int MR, int NV, class T>
void conv_panel(const ConvShape &s, const T *x, const ConvRun *runs, std::size_t count, const T *panel, const T *bias,
                const T *residual, T *y, std::size_t n, const Epilogue<T> &epilogue)
{
   const Window &w = s.window;
   const std::size_t pixels = s.strip * w.OW, step = w.SW * s.C, next_row = w.SH * conv_source(s).row;
   for (std::size_t pixel = 0;; pixel += MR) {
      if (pixel + MR > pixels)
         pixel = pixels - MR;
      const T *pixels_of_tile[MR];
      std::size_t row = pixel / w.OW, column = pixel % w.OW;
      SOFIE_JIT_UNROLL
      for (int i = 0; i < MR; ++i) {
         pixels_of_tile[i] = x + row * next_row + column * step;
         ++column;
         row += column == w.OW ? 1 : 0;
         column = column == w.OW ? 0 : column;
      }
      conv_tile<MR, NV>(pixels_of_tile, runs, count, panel, bias, residual_at(residual, pixel * s.O), y + pixel * s.O,
                        s.O, n, epilogue);
      if (pixel + MR == pixels)
         break;
   }
}

// All panels of weights over one strip. x and y point to the start of the strip in the image (or its copy) and in the
// result.
template <int MR, int Panels, class T>
SOFIE_JIT_INLINE void conv_strip(const ConvShape &s, const T *x, const ConvRun *runs, std::size_t count,
                                 const T *panels, const T *bias, const T *residual, T *y, const Epilogue<T> &epilogue)
{
   const std::size_t inputs = s.group_inputs(), outputs = s.group_outputs();
   for (std::size_t g = 0; g < s.groups; ++g)
      for (std::size_t n = s.from; n < outputs && n < s.to; n += nr<T>) {
         const T *panel = panels + g * conv_group_size<T>(s) + n * s.K();
         const std::size_t o = g * outputs + n;
         if constexpr (Panels & 1)
            if (Panels == 1 || outputs - n <= lanes<T>) {
               conv_panel<MR, 1>(s, x + g * inputs, runs, count, panel, bias + o, residual_at(residual, o), y + o,
                                 outputs - n, epilogue);
               continue;
            }
         if constexpr (Panels & 2)
            conv_panel<MR, 2>(s, x + g * inputs, runs, count, panel, bias + o, residual_at(residual, o), y + o,
                              outputs - n, epilogue);
      }
   if (epilogue.function)
      epilogue.function(s.strip * s.window.OW * s.O, y, y);
}

// Sizes of register tiles for strips whose size is known only at run time: with these, tiles overlap little for any
// number of pixels.
constexpr int conv_tiles[] = {tuning::mr, tuning::mr * 5 / 6, tuning::mr * 2 / 3, tuning::mr / 3, 1};

// Pixels of a register tile for a strip of `pixels`: the one of conv_tiles with which it takes the least time. Loading
// the weights of a tile takes about as long as two of its pixels.
constexpr int conv_tile_pixels(std::size_t pixels)
{
   int best = 1;
   std::size_t least = std::size_t(-1);
   for (const int tile : conv_tiles) {
      const std::size_t size = std::size_t(tile), time = div_up(pixels, size) * (size + 2);
      if (size <= pixels && time < least) {
         best = tile;
         least = time;
      }
   }
   return best;
}

// MR: pixels of a register tile, at most those of a strip; 0 chooses it at run time. Panels: the widths of panels that
// a group has: 1 for one vector (the last panel may be so narrow), 2 for two vectors, 3 for both. panels from
// pack_conv, bias from pack_bias. scratch: the copy of a strip (conv_copy_size), then the list of runs.
template <int MR, int Panels, class T>
SOFIE_JIT_NOINLINE void conv(std::size_t batch, const ConvShape &s, const T *x, const T *panels, const T *bias,
                             const T *residual, T *y, T *scratch, const Epilogue<T> &epilogue)
{
   if constexpr (MR == 0) {
      const int tile = conv_tile_pixels(s.strip * s.window.OW);
      if (tile == conv_tiles[0])
         conv<conv_tiles[0], Panels>(batch, s, x, panels, bias, residual, y, scratch, epilogue);
      else if (tile == conv_tiles[1])
         conv<conv_tiles[1], Panels>(batch, s, x, panels, bias, residual, y, scratch, epilogue);
      else if (tile == conv_tiles[2])
         conv<conv_tiles[2], Panels>(batch, s, x, panels, bias, residual, y, scratch, epilogue);
      else if (tile == conv_tiles[3])
         conv<conv_tiles[3], Panels>(batch, s, x, panels, bias, residual, y, scratch, epilogue);
      else
         conv<1, Panels>(batch, s, x, panels, bias, residual, y, scratch, epilogue);
   } else {
      const Window &w = s.window;
      const std::size_t plane = w.OH * w.OW * s.O;
      ConvRun *runs = reinterpret_cast<ConvRun *>(scratch + conv_copy_size(s));
      const std::size_t count = list_runs(s, runs);
      for (std::size_t b = 0; b < batch; ++b, x += w.inputs() * s.C)
         for (std::size_t od = 0; od < w.OD; ++od, y += plane, residual = residual_at(residual, plane))
            for (std::size_t oh = 0;; oh += s.strip) {
               if (oh + s.strip > w.OH)
                  oh = w.OH - s.strip;
               const T *source = x + (od * w.SD * w.H + oh * w.SH) * w.W * s.C;
               if (w.padded()) {
                  conv_copy(s, x, od, oh, scratch);
                  source = scratch;
               }
               const std::size_t to = oh * w.OW * s.O;
               conv_strip<MR, Panels>(s, source, runs, count, panels, bias, residual_at(residual, to), y + to,
                                      epilogue);
               if (oh + s.strip == w.OH)
                  break;
            }
   }
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
