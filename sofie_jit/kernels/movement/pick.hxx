// Padding, slicing and repeating: every index of the output picks one of the input, axis by axis.
//
// Element o of an output axis is element start + o / repeat * step of the input axis, or `fill` if there is none.
// `start` and `step` are modulo 2^64, so they may be negative. All rows of a batch are treated alike.
#ifndef SOFIE_JIT_PICK_HXX
#define SOFIE_JIT_PICK_HXX

#include "core/simd.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

struct PickAxis {
   std::size_t in, out; // sizes
   std::size_t start, step, repeat;
};

// The axes of one row, outermost first, followed by `inner` elements that stay together.
template <int R>
struct PickAxes {
   PickAxis axis[R];
   std::size_t inner;
};

template <class T>
T *pick_fill(T *y, std::size_t size, T fill)
{
   for (std::size_t i = 0; i < size; ++i)
      y[i] = fill;
   return y + size;
}

// Writes axis[0].out elements of axis[0] with everything inside them; returns the end.
template <class T>
T *pick_axis(const PickAxis *axis, int rank, std::size_t inner, const T *x, T *y, T fill)
{
   std::size_t in_size = inner, out_size = inner; // of one element of this axis
   for (int i = 1; i < rank; ++i) {
      in_size *= axis[i].in;
      out_size *= axis[i].out;
   }
   const std::size_t step = axis->step, repeat = axis->repeat;
   for (std::size_t o = 0; o < axis->out;) {
      const std::size_t at = axis->start + o / repeat * step;
      if (at >= axis->in) {
         y = pick_fill(y, out_size, fill);
         ++o;
      } else if (rank > 1) {
         y = pick_axis(axis + 1, rank - 1, inner, x + at * in_size, y, fill);
         for (++o; o % repeat && o < axis->out; ++o, y += out_size)
            std::memcpy(static_cast<void *>(y), y - out_size, out_size * sizeof(T));
      } else {
         const bool contiguous = step == 1 && repeat == 1;
         const std::size_t left = axis->out - o, available = axis->in - at;
         const std::size_t count = !contiguous ? 1 : left < available ? left : available;
         std::memcpy(static_cast<void *>(y), x + at * inner, count * inner * sizeof(T));
         y += count * inner;
         o += count;
      }
   }
   return y;
}

template <class T, int R>
void pick(std::size_t batch, const PickAxes<R> &axes, const T *x, T *y, T fill = T())
{
   std::size_t row = axes.inner;
   for (int i = 0; i < R; ++i)
      row *= axes.axis[i].in;
   for (std::size_t b = 0; b < batch; ++b, x += row)
      y = pick_axis(axes.axis, R, axes.inner, x, y, fill);
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
