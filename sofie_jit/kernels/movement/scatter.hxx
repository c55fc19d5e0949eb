// Elements and slices at indices of several axes.
#ifndef SOFIE_JIT_SCATTER_HXX
#define SOFIE_JIT_SCATTER_HXX

#include "elementwise/elementwise.hxx"
#include "movement/gather.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

struct Replace { // b
   template <class T>
   SOFIE_JIT_INLINE vec<T> apply(vec<T>, vec<T> b) const
   {
      return b;
   }
};

// y[i] = operation(y[i], x[i]) for i < n
template <class T, class Operation>
void update_run(std::size_t n, const T *x, T *y, const Operation &operation)
{
   if constexpr (std::is_same_v<Operation, Replace>) {
      copy_run(n, x, y);
   } else {
      for (std::size_t i = 0; i < n; i += lanes<T>)
         store_up_to(y + i, operation.template apply<T>(load_up_to(y + i, n - i), load_up_to(x + i, n - i)), n - i);
   }
}

// The shape of indices, and the elements of data that a step along each axis skips.
template <int R>
struct ScatterAxes {
   std::size_t size[R];
   std::size_t stride[R];
   std::size_t axis; // that indices point into
   std::size_t count; // elements of data along it
};

// y = data, then y[.., indices[.., p, ..], ..] = operation(y, updates[.., p, ..]) in the order of the indices. Returns
// false, with y partly written, if an index is outside [-count, count).
template <int R, class T, class I, class Operation>
bool scatter_elements(const ScatterAxes<R> &axes, std::size_t n, const T *data, const I *indices, const T *updates,
                      T *y, const Operation &operation)
{
   if (y != data)
      copy_run(n, data, y);
   std::size_t total = 1, index[R] = {}, offset = 0;
   for (int a = 0; a < R; ++a)
      total *= axes.size[a];
   for (std::size_t p = 0; p < total; ++p) {
      const std::size_t row = gather_row(indices[p], axes.count);
      if (row == axes.count)
         return false;
      update_run(1, updates + p, y + offset + row * axes.stride[axes.axis], operation);
      for (int a = R; a-- > 0;) { // increments the index like an odometer
         const std::size_t step = std::size_t(a) == axes.axis ? 0 : axes.stride[a];
         offset += step;
         if (++index[a] < axes.size[a])
            break;
         offset -= step * axes.size[a];
         index[a] = 0;
      }
   }
   return true;
}

// Slices of `inner` elements under `rank` axes.
template <int R>
struct IndexedAxes {
   std::size_t rank;
   std::size_t size[R];
   std::size_t inner;

   // The offset of the slice with this index tuple; false if it is out of range.
   template <class I>
   bool offset(const I *index, std::size_t &result) const
   {
      result = 0;
      for (std::size_t a = 0; a < rank; ++a) {
         const std::size_t row = gather_row(index[a], size[a]);
         if (row == size[a])
            return false;
         result = result * size[a] + row;
      }
      result *= inner;
      return true;
   }
};

// y = data, then y[indices[p]] = operation(y[indices[p]], updates[p]) for p < count. Returns false, with y partly
// written, if an index is out of range.
template <int R, class T, class I, class Operation>
bool scatter_nd(const IndexedAxes<R> &axes, std::size_t n, std::size_t count, const T *data, const I *indices,
                const T *updates, T *y, const Operation &operation)
{
   if (y != data)
      copy_run(n, data, y);
   for (std::size_t p = 0, at = 0; p < count; ++p) {
      if (!axes.offset(indices + p * axes.rank, at))
         return false;
      update_run(axes.inner, updates + p * axes.inner, y + at, operation);
   }
   return true;
}

// y[o][p] = data[o][indices[o][p]] for o < outer and p < count. Returns false, with y partly written, if an index is
// out of range.
template <int R, class T, class I>
bool gather_nd(const IndexedAxes<R> &axes, std::size_t outer, std::size_t count, const T *data, const I *indices, T *y)
{
   std::size_t slices = 1;
   for (std::size_t a = 0; a < axes.rank; ++a)
      slices *= axes.size[a];
   for (std::size_t o = 0; o < outer; ++o, data += slices * axes.inner)
      for (std::size_t p = 0, at = 0; p < count; ++p, indices += axes.rank, y += axes.inner) {
         if (!axes.offset(indices, at))
            return false;
         copy_run(axes.inner, data + at, y);
      }
   return true;
}

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
