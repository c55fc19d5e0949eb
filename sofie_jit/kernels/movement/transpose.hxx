// Permutes and repeats the axes of a tensor, for Transpose and Expand.
//
// y is written in order; a step along axis i of y moves by stride[i] elements in x, 0 for an axis that is repeated.
#ifndef SOFIE_JIT_TRANSPOSE_HXX
#define SOFIE_JIT_TRANSPOSE_HXX

#include "core/simd.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

template <int R>
struct StridedAxes { // of y, outermost first
   std::size_t size[R], stride[R];
};

// memcpy is slower for small runs.
template <class T>
void copy_run(std::size_t size, const T *x, T *y)
{
   if (size * sizeof(T) < 64)
      for (std::size_t i = 0; i < size; ++i)
         y[i] = x[i];
   else
      std::memcpy(static_cast<void *>(y), x, size * sizeof(T));
}

// y[r * y_stride + c] = x[c * x_stride + r] for r and c < 4 and elements of four bytes: 2.6 times as fast as element by
// element.
template <class T>
SOFIE_JIT_INLINE void swap_four(const T *x, std::size_t x_stride, T *y, std::size_t y_stride)
{
   typedef std::int32_t four __attribute__((vector_size(16), aligned(4), may_alias));
   const auto row = [&](std::size_t c) { return *reinterpret_cast<const four *>(x + c * x_stride); };
   const auto set_row = [&](std::size_t r, four v) { *reinterpret_cast<four *>(y + r * y_stride) = v; };
   const four a = row(0), b = row(1), c = row(2), d = row(3);
   const four ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
   set_row(0, __builtin_shufflevector(ab, cd, 0, 1, 4, 5));
   set_row(1, __builtin_shufflevector(ab, cd, 2, 3, 6, 7));
   const four ab2 = __builtin_shufflevector(a, b, 2, 6, 3, 7), cd2 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
   set_row(2, __builtin_shufflevector(ab2, cd2, 0, 1, 4, 5));
   set_row(3, __builtin_shufflevector(ab2, cd2, 2, 3, 6, 7));
}

// y[r * y_stride + c] = x[c * x_stride + r] in blocks of whole cache lines of both.
template <class T>
void swap_axes(std::size_t rows, std::size_t columns, const T *x, std::size_t x_stride, T *y, std::size_t y_stride)
{
   constexpr std::size_t block = 64 / sizeof(T) < 16 ? 16 : 64 / sizeof(T);
   for (std::size_t r = 0; r < rows; r += block)
      for (std::size_t c = 0; c < columns; c += block) {
         const std::size_t r_end = r + block < rows ? r + block : rows;
         const std::size_t c_end = c + block < columns ? c + block : columns;
         for (std::size_t i = r, rows_at_once; i < r_end; i += rows_at_once) {
            rows_at_once = sizeof(T) == 4 && r_end - i >= 4 ? 4 : 1;
            std::size_t j = c;
            for (; rows_at_once == 4 && j + 4 <= c_end; j += 4)
               swap_four(x + j * x_stride + i, x_stride, y + i * y_stride + j, y_stride);
            for (; j < c_end; ++j)
               for (std::size_t k = i; k < i + rows_at_once; ++k)
                  y[k * y_stride + j] = x[j * x_stride + k];
         }
      }
}

// The last axis of y.
template <class T>
void copy_axis(std::size_t size, std::size_t stride, const T *x, T *y)
{
   if (stride == 1)
      return copy_run(size, x, y);
   for (std::size_t i = 0; i < size; ++i)
      y[i] = x[i * stride];
}

template <int R, class T>
void transpose(const StridedAxes<R> &axes, const T *x, T *y)
{
   constexpr int last = R - 1;
   std::size_t inner[R]; // elements of y per step along each axis
   inner[last] = 1;
   for (int i = last; i > 0; --i)
      inner[i - 1] = inner[i] * axes.size[i];
   if (inner[0] * axes.size[0] == 0)
      return;

   int across = last; // the axis of y along which x is contiguous: it is swapped with the last axis block by block
   for (int i = 0; i < last && axes.stride[last] > 1; ++i)
      if (axes.stride[i] == 1 && axes.size[i] > 1)
         across = i;

   std::size_t index[R] = {}; // of the axes except the last and `across`
   std::size_t from = 0, to = 0;
   for (;;) {
      if (across == last)
         copy_axis(axes.size[last], axes.stride[last], x + from, y + to);
      else
         swap_axes(axes.size[across], axes.size[last], x + from, axes.stride[last], y + to, inner[across]);
      int i = last - 1;
      for (; i >= 0; --i) {
         if (i == across)
            continue;
         from += axes.stride[i];
         to += inner[i];
         if (++index[i] < axes.size[i])
            break;
         from -= index[i] * axes.stride[i];
         to -= index[i] * inner[i];
         index[i] = 0;
      }
      if (i < 0)
         return;
   }
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
