// Transposed convolution of channels-last images, with bias and epilogue (tile.hxx): a convolution run backwards, in
// which every input pixel adds its multiple of the kernel to a window of the output.
//
// `w` is the window of the convolution that is transposed: its input (D, H, W) is the output here, and its output (OD,
// OH, OW) is the input here. Along each axis, output pixel p depends on the taps k for which (p + P - k * DIL) / S is a
// whole number and an index of the input.
//
// A matrix product first computes the contributions of all input pixels, products[input pixel][tap][O]; then each
// output pixel adds up its contributions in the order of the taps. Nothing is multiplied by zeros, so NaN does not
// spread.
#ifndef SOFIE_JIT_CONV_TRANSPOSE_HXX
#define SOFIE_JIT_CONV_TRANSPOSE_HXX

#include "conv/depthwise.hxx"
#include "gemm/gemm.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

// Packs kernel[taps][O][C] (Keras) or, if `iohw`, kernel[C][O][taps] (ONNX) into panels of pack_gemm, W[C][taps * O].
template <class T>
SOFIE_JIT_COLD Buffer<T> pack_conv_transpose(const T *kernel, std::size_t taps, std::size_t C, std::size_t O, bool iohw)
{
   if (!iohw)
      return pack_gemm(kernel, C, taps * O, true);
   Buffer<T> turned(C * taps * O);
   for (std::size_t c = 0; c < C; ++c)
      for (std::size_t tap = 0; tap < taps; ++tap)
         for (std::size_t o = 0; o < O; ++o)
            turned[(c * taps + tap) * O + o] = kernel[(c * O + o) * taps + tap];
   return pack_gemm(static_cast<const T *>(turned.data()), C, taps * O);
}

// The input index that tap `k` connects with output index `o`, or `size` if there is none.
constexpr std::size_t tap_source(std::size_t o, std::size_t k, std::size_t size, std::size_t stride,
                                 std::size_t dilation, std::size_t pad)
{
   const std::size_t from = k * dilation, to = o + pad;
   return to < from || (to - from) % stride || (to - from) / stride >= size ? size : (to - from) / stride;
}

// Lists the contributions to each output column as offsets in a row of products: offsets[starts[c]] to offsets[starts[c
// + 1]].
inline void list_columns(const Window &w, std::size_t O, std::int64_t *starts, std::int64_t *offsets)
{
   std::size_t count = 0;
   for (std::size_t c = 0; c < w.W; ++c) {
      starts[c] = std::int64_t(count);
      for (std::size_t k = 0; k < w.KW; ++k) {
         const std::size_t from = tap_source(c, k, w.OW, w.SW, w.DW, w.PW);
         if (from < w.OW)
            offsets[count++] = std::int64_t((from * w.taps() + k) * O);
      }
   }
   starts[w.W] = std::int64_t(count);
}

// Lists the rows of products that contribute to output row (d, h); returns their number.
inline std::size_t list_rows(const Window &w, std::size_t O, std::size_t d, std::size_t h, std::int64_t *offsets)
{
   std::size_t count = 0;
   for (std::size_t kd = 0; kd < w.KD; ++kd) {
      const std::size_t plane = tap_source(d, kd, w.OD, w.SD, w.DD, w.PD);
      for (std::size_t kh = 0; plane < w.OD && kh < w.KH; ++kh) {
         const std::size_t row = tap_source(h, kh, w.OH, w.SH, w.DH, w.PH);
         if (row < w.OH)
            offsets[count++] = std::int64_t(((plane * w.OH + row) * w.OW * w.taps() + (kd * w.KH + kh) * w.KW) * O);
      }
   }
   return count;
}

// One output pixel. V is a vector of channels or a single channel.
template <class V, class T>
SOFIE_JIT_INLINE void add_up(std::size_t O, const T *products, const std::int64_t *row, const std::int64_t *rows_end,
                             const std::int64_t *column, const std::int64_t *columns_end, const T *bias, T *y,
                             const Epilogue<T> &epilogue)
{
   each_channels<V, 1, T>(O, [&](std::size_t o) {
      V sum{};
      SOFIE_JIT_ROLLED
      for (const std::int64_t *r = row; r != rows_end; ++r)
         SOFIE_JIT_ROLLED
         for (const std::int64_t *c = column; c != columns_end; ++c)
            sum += load_as<V>(products + std::size_t(*r + *c) + o);
      store<T>(y + o, bound(sum + load_as<V>(bias + o), epilogue));
   });
}

// Few: O < lanes<T>. images_per_product: images whose products fit `products`, w.pixels() * w.taps() * O elements each.
// panels from pack_conv_transpose, zeros and bias from pack_bias. list: w.W + 1 starts of columns, up to w.OW * w.KW
// offsets of columns and up to w.KD * w.KH of rows.
template <bool Few, class T>
void conv_transpose(std::size_t batch, std::size_t images_per_product, const Window &w, std::size_t C, std::size_t O,
                    const T *x, const T *panels, const T *zeros, const T *bias, T *y, T *products, std::int64_t *list,
                    const Epilogue<T> &epilogue)
{
   const std::size_t width = w.taps() * O;
   std::int64_t *offsets = list + w.W + 1, *rows = offsets + w.OW * w.KW;
   list_columns(w, O, list, offsets);
   for (std::size_t b = 0; b < batch; b += images_per_product) {
      T *const first = y;
      const std::size_t images = batch - b < images_per_product ? batch - b : images_per_product;
      gemm(images * w.pixels(), C, width, x + b * w.pixels() * C, panels, zeros, static_cast<const T *>(nullptr),
           products, no_epilogue<T>);
      const T *image = products;
      for (std::size_t i = 0; i < images; ++i, image += w.pixels() * width)
         for (std::size_t d = 0; d < w.D; ++d)
            for (std::size_t h = 0; h < w.H; ++h) {
               const std::int64_t *rows_end = rows + list_rows(w, O, d, h, rows);
               for (std::size_t c = 0; c < w.W; ++c, y += O)
                  add_up<channel_type<T, Few>>(O, image, rows, rows_end, offsets + list[c], offsets + list[c + 1], bias,
                                               y, epilogue);
            }
      if (epilogue.function)
         epilogue.function(std::size_t(y - first), first, first);
   }
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
